/*
 * A sync client in a loop of its own on epoll: prints the server's keys and values until it is in sync.
 *
 *   follow 10.0.0.1 5473      Build: cc follow.c $(pkg-config --cflags --libs networkdb)
 */
#define _POSIX_C_SOURCE 200112L
#include <networkdb.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint8_t arena[65536];
static ndb_input inputs[256]; /* for the next step */
static size_t input_count;
static int poller, connection = -1;

static void tell(uint16_t kind, const ndb_output *about, uint64_t len) {
    ndb_input input = {.kind = kind, .stream = about->stream, .len = len, .addr = about->addr};
    if (input_count < sizeof inputs / sizeof *inputs) inputs[input_count++] = input;
}

static void dial(const ndb_output *output) {
    struct epoll_event ready = {.events = EPOLLIN, .data = {.u64 = output->stream}};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(output->addr.port)};
    memcpy(&to.sin_addr, output->addr.ip, 4);
    connection = socket(AF_INET, SOCK_STREAM, 0);
    epoll_ctl(poller, EPOLL_CTL_ADD, connection, &ready);
    tell(connect(connection, (struct sockaddr *)&to, sizeof to) == 0 ? NDB_INPUT_OPENED : NDB_INPUT_FAILED, output, 0);
}

/* Carries one output out. For brevity dials and writes block, and reading is never stopped: a server would not. */
static void carry(const ndb_output *output) {
    if (output->kind == NDB_OUTPUT_OPEN) {
        dial(output);
    } else if (output->kind == NDB_OUTPUT_WRITE) {
        ssize_t sent = send(connection, output->data, output->len, MSG_NOSIGNAL);
        tell(sent < 0 ? NDB_INPUT_FAILED : NDB_INPUT_SENT, output, sent < 0 ? 0 : (uint64_t)sent);
    } else if (output->kind == NDB_OUTPUT_CLOSE && output->code) {
        close(connection);
        tell(NDB_INPUT_GONE, output, 0);
    }
}

/* Prints what has been told: 0 nothing, 1 something, 3 all there is. */
static int print(ndb_node node) {
    ndb_event *event;
    int told = 0;
    while (ndb_next_event(node, &event) == NDB_OK) {
        const ndb_slice key = event->key, value = event->value;
        if (event->kind == NDB_EVENT_UPDATE) {
            printf("%.*s = %.*s\n", (int)key.len, (const char *)key.data, (int)value.len, (const char *)value.data);
        }
        told |= event->kind == NDB_EVENT_STATUS && event->number == 2 ? 3 : 1;
        ndb_event_free(event);
    }
    return told;
}

static uint64_t now(void) {
    struct timespec t = {0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int count, char **args) {
    char text[256];
    int told;
    ndb_node node;
    ndb_options options = {.size = sizeof options, .kind = NDB_KIND_SYNC_CLIENT, .now_ns = now()};
    struct epoll_event ready = {0};
    const ndb_output *outputs;
    size_t output_count, i;
    uint64_t deadline, time, len = 0;
    if (count < 3) return 2;
    snprintf(text, sizeof text, "hostname = 'c'\nendpoints = ['%s:%s']", args[1], args[2]);
    options.config = (ndb_slice){(const uint8_t *)text, strlen(text)};
    poller = epoll_create1(0);
    if (ndb_create(&options, &node, NULL) != NDB_OK) return 1;
    for (;;) {
        size_t taken = input_count;
        input_count = 0;
        if (ndb_step(node, now(), inputs, taken, arena, len, &outputs, &output_count, &deadline) != NDB_OK) return 1;
        for (len = 0, i = 0; i < output_count; i++) carry(&outputs[i]);
        told = print(node);
        if (told == 3) return ndb_free(node) == NDB_OK ? 0 : 1;
        if (told || input_count > 0) continue; /* to take events may make room, hence work */
        time = now();
        if (epoll_wait(poller, &ready, 1, deadline > time ? (int)((deadline - time) / 1000000 + 1) : 0) == 1) {
            ssize_t got = recv(connection, arena, sizeof arena, 0);
            const ndb_output from = {.stream = ready.data.u64};
            tell(got > 0 ? NDB_INPUT_RECEIVED : NDB_INPUT_FINISHED, &from, got > 0 ? (len = (uint64_t)got) : 0);
        }
    }
}
