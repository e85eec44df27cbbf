/*
 * What the library costs a program in C. Prints one figure a line: NAME VALUE UNIT.
 *
 *   bench [SECONDS]
 *
 * The machine is a member (NDB_KIND_MEMBERLIST) without keys and compression. Two messages of 1,400 bytes stand for the
 * datagram. An ack for nobody, whose payload is long, is read and dropped: `taken`. A ping with a long field that nobody
 * knows is answered by an ack of some 20 bytes: `answered`. `call` is a call that does nothing, `empty` a step without
 * inputs. These are the time of the thread, so that others on the machine count little. `echo` is a loop of epoll, recvmmsg,
 * steps and sendmmsg on a socket of the program's own, `hosted` the built-in host: pings over loopback from a second thread,
 * with 64 under way.
 */
#define _GNU_SOURCE
#include <networkdb.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DATAGRAM 1400
#define SLOT 2048
#define BATCH 64
#define UNDER_WAY 64 /* as many as a socket buffer of usual size holds */
#define SENT 16

static volatile int stop;
static double seconds = 2;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t clock_ns(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t now(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

static void report(const char *name, double value, const char *unit) {
    printf("%-24s %12.1f %s\n", name, value, unit);
    fflush(stdout);
}

/* ---- The datagram ---------------------------------------------------------------------------------------------- */

static size_t put(uint8_t *to, size_t at, const char *text) {
    to[at] = (uint8_t)(0xa0 | strlen(text)); /* msgpack: a short string */
    memcpy(to + at + 1, text, strlen(text));
    return at + 1 + strlen(text);
}

/* The last field: as many bytes as are left. */
static void fill(uint8_t to[DATAGRAM], size_t at, const char *field) {
    at = put(to, at, field);
    to[at++] = 0xda; /* a string with a length of 16 bits */
    to[at] = (uint8_t)((DATAGRAM - at - 2) >> 8);
    to[at + 1] = (uint8_t)(DATAGRAM - at - 2);
    for (at += 2; at < DATAGRAM; at++) to[at] = (uint8_t)('a' + at % 26);
}

static void ping(uint8_t to[DATAGRAM]) {
    size_t at = 0;
    to[at++] = 0;    /* memberlist: ping */
    to[at++] = 0x83; /* a map of 3 */
    at = put(to, at, "SeqNo");
    to[at++] = 7;
    at = put(to, at, "Node");
    at = put(to, at, "bench");
    fill(to, at, "Filling");
}

static void ack(uint8_t to[DATAGRAM]) {
    size_t at = 0;
    to[at++] = 2;    /* memberlist: ack */
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

static uint8_t arena[BATCH * SLOT];
static ndb_input inputs[BATCH];

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
        inputs[i].offset = i * SLOT;
        inputs[i].len = DATAGRAM;
        message(arena + i * SLOT);
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

static int bound(uint16_t *port) {
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 4 << 20;
    memset(&addr, 0, sizeof addr);
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0) fail("bind");
    getsockname(fd, (struct sockaddr *)&addr, &len);
    *port = ntohs(addr.sin_port);
    return fd;
}

/* Where recvmmsg and sendmmsg find their buffers. */
struct slots {
    struct mmsghdr headers[BATCH];
    struct iovec parts[BATCH];
    struct sockaddr_in addrs[BATCH];
};

static void arrange(struct slots *slots, uint8_t *bytes, size_t len, int named) {
    size_t i;
    memset(slots, 0, sizeof *slots);
    for (i = 0; i < BATCH; i++) {
        slots->parts[i].iov_base = bytes + i * SLOT;
        slots->parts[i].iov_len = len;
        slots->headers[i].msg_hdr.msg_iov = &slots->parts[i];
        slots->headers[i].msg_hdr.msg_iovlen = 1;
        if (!named) continue;
        slots->headers[i].msg_hdr.msg_name = &slots->addrs[i];
        slots->headers[i].msg_hdr.msg_namelen = sizeof slots->addrs[i];
    }
}

struct served {
    int fd;
    ndb_node node;
    uint64_t cpu_ns;
};

/* Sends what a step wants sent. */
static void answer(int fd, struct slots *out, const ndb_output *outputs, size_t count) {
    unsigned used = 0;
    size_t i;
    for (i = 0; i < count; i++) {
        if (outputs[i].kind != NDB_OUTPUT_DATAGRAM) continue;
        out->parts[used].iov_base = (void *)(uintptr_t)outputs[i].data;
        out->parts[used].iov_len = outputs[i].len;
        out->addrs[used].sin_family = AF_INET;
        out->addrs[used].sin_port = htons(outputs[i].addr.port);
        memcpy(&out->addrs[used].sin_addr, outputs[i].addr.ip, 4);
        if (++used < BATCH && i + 1 < count) continue;
        sendmmsg(fd, out->headers, used, 0);
        used = 0;
    }
    if (used > 0) sendmmsg(fd, out->headers, used, 0);
}

/* The program's own loop. */
static void *serve(void *argument) {
    struct served *served = (struct served *)argument;
    static struct slots in, out;
    struct epoll_event ready;
    int poller = epoll_create1(0);
    memset(&ready, 0, sizeof ready);
    ready.events = EPOLLIN;
    epoll_ctl(poller, EPOLL_CTL_ADD, served->fd, &ready);
    arrange(&in, arena, SLOT, 1);
    arrange(&out, arena, SLOT, 1);
    while (!stop) {
        int got = recvmmsg(served->fd, in.headers, BATCH, MSG_DONTWAIT, NULL), i;
        size_t count;
        const ndb_output *outputs;
        if (got <= 0) {
            epoll_wait(poller, &ready, 1, 10);
            got = 0;
        }
        for (i = 0; i < got; i++) {
            inputs[i].kind = NDB_INPUT_DATAGRAM;
            inputs[i].offset = (uint64_t)i * SLOT;
            inputs[i].len = in.headers[i].msg_len;
            inputs[i].addr.family = 4;
            inputs[i].addr.port = ntohs(in.addrs[i].sin_port);
            memcpy(inputs[i].addr.ip, &in.addrs[i].sin_addr, 4);
        }
        outputs = step(served->node, (size_t)got, &count);
        answer(served->fd, &out, outputs, count);
    }
    close(poller);
    served->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    return NULL;
}

/* Keeps so many pings under way, and counts the acks. */
static uint64_t load(uint16_t port) {
    static uint8_t pings[BATCH * SLOT], acks[BATCH * SLOT];
    static struct slots out, in;
    struct sockaddr_in to;
    uint16_t own;
    int fd = bound(&own), i;
    uint64_t start = now(), answered = 0, last = start;
    int64_t under_way = 0;
    struct timeval patience = {0, 20000};
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) fail("connect");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (i = 0; i < BATCH; i++) ping(pings + i * SLOT);
    arrange(&out, pings, DATAGRAM, 0);
    arrange(&in, acks, SLOT, 0);
    for (; (double)(last - start) < seconds * 1e9; last = now()) {
        int got;
        while (under_way + SENT <= UNDER_WAY && (got = sendmmsg(fd, out.headers, SENT, 0)) > 0) under_way += got;
        got = recvmmsg(fd, in.headers, BATCH, MSG_WAITFORONE, NULL);
        if (got <= 0) under_way = 0; /* some were lost */
        if (got > 0) under_way -= got;
        if (got > 0) answered += (uint64_t)got;
    }
    close(fd);
    return (uint64_t)((double)answered * 1e9 / (double)(last - start));
}

static void echo(void) {
    struct served served;
    uint16_t port;
    pthread_t thread;
    uint64_t rate;
    served.fd = bound(&port);
    served.node = create("advertise", port);
    memset(inputs, 0, sizeof inputs);
    if (pthread_create(&thread, NULL, serve, &served) != 0) fail("thread");
    rate = load(port);
    stop = 1;
    pthread_join(thread, NULL);
    report("echo", (double)rate, "datagrams/s");
    report("echo, CPU of the loop", (double)served.cpu_ns / ((double)rate * seconds), "ns/datagram");
    ndb_free(served.node);
    close(served.fd);
}

static void hosted(void) {
    uint16_t port;
    ndb_node node;
    uint64_t others; /* the time of all other threads */
    double rate;
    if (!(ndb_features() & NDB_FEATURE_HOSTED)) return;
    close(bound(&port));
    node = create("bind", port);
    if (ndb_run(node) != NDB_OK) fail("run");
    others = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own_time();
    rate = (double)load(port);
    others = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own_time() - others;
    report("hosted", rate, "datagrams/s");
    report("hosted, CPU of the host", (double)others / (rate * seconds), "ns/datagram");
    ndb_free(node);
}

int main(int count, char **arguments) {
    if (count > 1) seconds = atof(arguments[1]);
    alone();
    echo();
    hosted();
    return 0;
}
