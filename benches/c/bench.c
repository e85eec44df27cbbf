/*
 * What the library costs a program in C. Prints one figure a line: NAME VALUE UNIT.
 *
 *   bench LOAD [SECONDS]
 *
 * The machine is a member (NDB_KIND_MEMBERLIST) without keys and compression. Two messages of 1,400 bytes stand for the
 * datagram. An ack for nobody, whose payload is long, is read and dropped: `taken`. A ping with a long field that nobody
 * knows is answered by an ack of some 20 bytes: `answered`. `call` is a call that does nothing, `empty` a step without
 * inputs. These are the time of the thread, so that others on the machine count little.
 *
 * Over sockets, the program LOAD sends pings over loopback. `echo` is a loop of epoll, recvmmsg, steps and sendmmsg on a
 * socket of the program's own, in which each datagram is an input of its own; `bare` is the same loop that answers without
 * a node, which is what this machine can do in these minutes; `hosted` is the built-in host. `own time` is that of the loop,
 * or of the host. In those called `single` the load hands the system one ping a call, in the others many.
 */
#define _GNU_SOURCE
#include <networkdb.h>

#include "datagrams.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 64
#define MOST (SLOTS * SEGMENTS)
#define LONGEST 65507 /* the bytes of one send, cut apart or not */

static const char *load_program;
static double seconds = 2;

static void report(const char *name, double value, const char *unit) {
    printf("%-24s %12.1f %s\n", name, value, unit);
    fflush(stdout);
}

static void ack(uint8_t to[DATAGRAM]) {
    size_t at = 0;
    to[at++] = ACK;
    to[at++] = 0x82; /* a map of 2 */
    at = put(to, at, "SeqNo");
    to[at++] = 7;
    fill(to, at, "Payload");
}

static ndb_node create(const char *field, uint16_t port) {
    char text[128];
    ndb_options options;
    ndb_node node;
    snprintf(text, sizeof text, "name = 'bench'\n%s = '127.0.0.1:%d'\n[gossip]\ncompression = false", field, port);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.kind = NDB_KIND_MEMBERLIST;
    options.config.data = (const uint8_t *)text;
    options.config.len = strlen(text);
    options.now_ns = now();
    if (ndb_create(&options, &node, NULL) != NDB_OK) fail("create");
    return node;
}

/* ---- Alone ----------------------------------------------------------------------------------------------------- */

static uint8_t arena[SLOTS * SLOT];
static ndb_input inputs[MOST];

static const ndb_output *step(ndb_node node, size_t count, size_t *outputs) {
    const ndb_output *out;
    uint64_t deadline;
    if (ndb_step(node, now(), inputs, count, arena, sizeof arena, &out, outputs, &deadline) != NDB_OK) fail("step");
    return out;
}

static uint64_t own_time(void) {
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* Nanoseconds of one of the inputs of a step with so many, each of which is answered so often. */
static double stepped(ndb_node node, size_t count, size_t answers) {
    uint64_t start = own_time(), steps = 0, answered = 0;
    double spent;
    while ((spent = (double)(own_time() - start)) < seconds * 1e9) {
        int i;
        for (i = 0; i < 256; i++, steps++) {
            size_t outputs;
            step(node, count, &outputs);
            answered += outputs;
        }
    }
    if (answered / count / steps != answers) fail("other answers than expected");
    return spent / (double)(steps * count);
}

/* One message in steps of one and of 64. */
static void datagrams(ndb_node node, const char *name, void (*message)(uint8_t *), size_t answers) {
    char line[64];
    double ns;
    size_t i;
    for (i = 0; i < BATCH; i++) {
        memset(&inputs[i], 0, sizeof inputs[i]);
        inputs[i].kind = NDB_INPUT_DATAGRAM;
        inputs[i].addr.family = 4;
        inputs[i].addr.port = 9;
        memcpy(inputs[i].addr.ip, "\177\0\0\1", 4);
        inputs[i].offset = i * DATAGRAM;
        inputs[i].len = DATAGRAM;
        message(arena + i * DATAGRAM);
    }
    snprintf(line, sizeof line, "%s, one a step", name);
    report(line, stepped(node, 1, answers), "ns");
    snprintf(line, sizeof line, "%s, 64 a step", name);
    report(line, ns = stepped(node, BATCH, answers), "ns");
    snprintf(line, sizeof line, "%s, step alone", name);
    report(line, 1e9 / ns, "datagrams/s");
}

static void alone(void) {
    ndb_node node = create("advertise", 7946);
    ndb_event *event;
    uint64_t start = own_time(), sum = 0;
    size_t i, outputs;
    for (i = 0; i < 100000000; i++) sum += ndb_abi_version();
    report("call", (double)(own_time() - start) / (double)i, sum > 0 ? "ns" : "");
    step(node, 0, &outputs);
    while (ndb_next_event(node, &event) == NDB_OK) ndb_event_free(event);
    start = own_time();
    for (i = 0; i < 1000000; i++) step(node, 0, &outputs);
    report("empty", (double)(own_time() - start) / (double)i, "ns");
    datagrams(node, "taken", ack, 0);
    datagrams(node, "answered", ping, 1);
    ndb_free(node);
}

/* ---- Over sockets ---------------------------------------------------------------------------------------------- */

/* Where sendmmsg finds what it sends. */
struct outlet {
    struct mmsghdr headers[MOST];
    struct iovec parts[MOST];
    struct sockaddr_in addrs[MOST];
    union control controls[MOST];
};

struct served {
    int fd;
    ndb_node node; /* 0: it is answered without one */
    volatile int stop;
    uint64_t datagrams; /* of 1,400 bytes, one input each */
    uint64_t cpu_ns;
};

/* One input for each datagram. */
static size_t arrived(struct served *served, struct intake *in, int slots) {
    size_t count = 0, at;
    int i;
    for (i = 0; i < slots; i++) {
        size_t len = in->headers[i].msg_len, size = size_in(in, i);
        for (at = 0; at < len && count < MOST; at += size) {
            ndb_input *input = &inputs[count++];
            input->kind = NDB_INPUT_DATAGRAM;
            input->offset = (uint64_t)i * SLOT + at;
            input->len = len - at < size ? len - at : size;
            input->addr.family = 4;
            input->addr.port = ntohs(in->addrs[i].sin_port);
            memcpy(input->addr.ip, &in->addrs[i].sin_addr, 4);
            served->datagrams += input->len == DATAGRAM;
        }
    }
    return count;
}

/* An ack for each input, from nobody. */
static const ndb_output *without_node(size_t count) {
    static ndb_output outputs[MOST];
    static const uint8_t bytes[20] = {ACK};
    size_t i;
    for (i = 0; i < count; i++) {
        outputs[i].kind = NDB_OUTPUT_DATAGRAM;
        outputs[i].addr = inputs[i].addr;
        outputs[i].data = bytes;
        outputs[i].len = sizeof bytes;
    }
    return outputs;
}

/* Whether it may leave with those before it: of one size, to one peer. */
static int joins(const struct outlet *out, unsigned run, const ndb_output *output) {
    const struct msghdr *message = &out->headers[run].msg_hdr;
    return output->len == message->msg_iov->iov_len && output->addr.port == ntohs(out->addrs[run].sin_port) &&
           memcmp(output->addr.ip, &out->addrs[run].sin_addr, 4) == 0 && message->msg_iovlen < SEGMENTS &&
           (message->msg_iovlen + 1) * output->len <= LONGEST;
}

static void begin(struct outlet *out, unsigned run, struct iovec *part, const ndb_output *output) {
    struct msghdr *message = &out->headers[run].msg_hdr;
    uint16_t size = (uint16_t)output->len;
    struct cmsghdr *header;
    out->addrs[run].sin_family = AF_INET;
    out->addrs[run].sin_port = htons(output->addr.port);
    memcpy(&out->addrs[run].sin_addr, output->addr.ip, 4);
    message->msg_name = &out->addrs[run];
    message->msg_namelen = sizeof out->addrs[run];
    message->msg_iov = part;
    message->msg_iovlen = 0;
    message->msg_control = out->controls[run].bytes;
    message->msg_controllen = CMSG_SPACE(sizeof size);
    header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(header), &size, sizeof size);
}

static void send_all(int fd, struct outlet *out, unsigned runs) {
    unsigned sent = 0;
    while (sent < runs) {
        int count = sendmmsg(fd, out->headers + sent, runs - sent, 0);
        sent += count > 0 ? (unsigned)count : 1; /* what the system refuses is lost */
    }
}

static void answer(int fd, struct outlet *out, const ndb_output *outputs, size_t count) {
    unsigned runs = 0;
    size_t parts = 0, i;
    for (i = 0; i < count; i++) {
        if (outputs[i].kind != NDB_OUTPUT_DATAGRAM) continue;
        if (parts == MOST) {
            send_all(fd, out, runs);
            runs = 0;
            parts = 0;
        }
        if (runs == 0 || !joins(out, runs - 1, &outputs[i])) begin(out, runs++, &out->parts[parts], &outputs[i]);
        out->parts[parts].iov_base = (void *)(uintptr_t)outputs[i].data;
        out->parts[parts++].iov_len = outputs[i].len;
        out->headers[runs - 1].msg_hdr.msg_iovlen++;
    }
    send_all(fd, out, runs);
}

/* The program's own loop. */
static void *serve(void *argument) {
    struct served *served = (struct served *)argument;
    static struct intake in;
    static struct outlet out;
    struct epoll_event ready;
    int poller = epoll_create1(0);
    memset(&ready, 0, sizeof ready);
    ready.events = EPOLLIN;
    epoll_ctl(poller, EPOLL_CTL_ADD, served->fd, &ready);
    while (!served->stop) {
        int slots = take(served->fd, &in, arena, MSG_DONTWAIT);
        size_t count = arrived(served, &in, slots), answers = count;
        const ndb_output *outputs = served->node ? step(served->node, count, &answers) : without_node(count);
        answer(served->fd, &out, outputs, answers);
        if (slots <= 0) epoll_wait(poller, &ready, 1, 10);
    }
    close(poller);
    served->cpu_ns = own_time();
    return NULL;
}

/* Runs the load; returns how many of its pings were answered in a second. */
static double load(uint16_t port, const char *how, uint64_t *answered) {
    char command[4096];
    unsigned long long count;
    double spent;
    FILE *output;
    snprintf(command, sizeof command, "exec '%s' %d %f %s", load_program, port, seconds, how);
    output = popen(command, "r");
    if (!output || fscanf(output, "%llu %lf", &count, &spent) != 2 || pclose(output) != 0) fail("load");
    *answered = count;
    return (double)count / spent;
}

static void report_echo(const char *name, const char *how, double a_second, double own_ns) {
    char line[64];
    snprintf(line, sizeof line, "%s%s%s", name, *how ? ", " : "", how);
    report(line, a_second, "datagrams/s");
    snprintf(line, sizeof line, "%s%s%s, own time", name, *how ? ", " : "", how);
    report(line, own_ns, "ns a datagram");
}

static void echo(const char *name, const char *how, int with_node) {
    struct served served;
    uint64_t answered;
    uint16_t port;
    pthread_t thread;
    double a_second;
    memset(&served, 0, sizeof served);
    memset(inputs, 0, sizeof inputs);
    served.fd = bound(&port);
    served.node = with_node ? create("advertise", port) : 0;
    if (pthread_create(&thread, NULL, serve, &served) != 0) fail("thread");
    a_second = load(port, how, &answered);
    served.stop = 1;
    pthread_join(thread, NULL);
    if (served.datagrams < answered) fail("more answers than datagrams");
    report_echo(name, how, a_second, (double)served.cpu_ns / (double)answered);
    if (with_node) ndb_free(served.node);
    close(served.fd);
}

static uint16_t port_of(ndb_node node) {
    static const char request[] = "{\"op\":\"info\"}", before[] = "\"bound\":\"127.0.0.1:";
    char text[1024];
    const char *found;
    ndb_buffer answer = {0};
    if (ndb_command(node, now(), (const uint8_t *)request, sizeof request - 1, &answer) != NDB_OK) fail("info");
    snprintf(text, sizeof text, "%.*s", (int)answer.len, (const char *)answer.data);
    ndb_buffer_free(&answer);
    found = strstr(text, before);
    if (!found) fail("no port");
    return (uint16_t)atoi(found + sizeof before - 1);
}

static void hosted(const char *how) {
    uint64_t answered, start;
    ndb_node node;
    double a_second;
    if (!(ndb_features() & NDB_FEATURE_HOSTED)) return;
    node = create("bind", 0);
    if (ndb_run(node) != NDB_OK) fail("run");
    start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    a_second = load(port_of(node), how, &answered);
    report_echo("hosted", how, a_second, (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start) / (double)answered);
    ndb_free(node);
}

int main(int count, char **arguments) {
    static const char *const hows[] = {"", "single"};
    size_t i;
    if (count < 2) return 2;
    load_program = arguments[1];
    if (count > 2) seconds = atof(arguments[2]);
    alone();
    for (i = 0; i < sizeof hows / sizeof *hows; i++) {
        echo("bare", hows[i], 0);
        echo("echo", hows[i], 1);
        hosted(hows[i]);
    }
    return 0;
}
