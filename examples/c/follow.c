/*
 * A sync client with sockets of its own, in a loop on poll: prints the server's keys and values until it is in sync.
 *   follow 10.0.0.1 5473      Build: cc follow.c $(pkg-config --cflags --libs networkdb)
 */
#define _POSIX_C_SOURCE 200112L
#include <networkdb.h>

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint8_t arena[65536];
static ndb_input inputs[256]; /* for the next step */
static size_t input_count;
static struct pollfd connection = {-1, POLLIN, 0};
static ndb_output stream; /* the one that the connection carries */

static void tell(uint16_t kind, uint64_t len) {
    ndb_input *input = &inputs[input_count++];
    if (input_count >= sizeof inputs / sizeof *inputs) _exit(1);
    memset(input, 0, sizeof *input);
    input->kind = kind;
    input->stream = stream.stream;
    input->addr = stream.addr;
    input->len = len;
}

/* Carries one output out. For brevity dials and writes block, and reading is never stopped: a server would not. */
static void carry(const ndb_output *output) {
    static struct sockaddr_in to;
    ssize_t sent;
    if (output->kind == NDB_OUTPUT_OPEN) {
        stream = *output;
        to.sin_family = AF_INET;
        to.sin_port = htons(output->addr.port);
        memcpy(&to.sin_addr, output->addr.ip, 4);
        connection.fd = socket(AF_INET, SOCK_STREAM, 0);
        sent = connect(connection.fd, (struct sockaddr *)&to, sizeof to);
        tell(sent == 0 ? NDB_INPUT_OPENED : NDB_INPUT_FAILED, 0);
    } else if (output->kind == NDB_OUTPUT_WRITE) {
        sent = send(connection.fd, output->data, output->len, MSG_NOSIGNAL);
        tell(sent < 0 ? NDB_INPUT_FAILED : NDB_INPUT_SENT, sent < 0 ? 0 : (uint64_t)sent);
    } else if (output->kind == NDB_OUTPUT_CLOSE && output->code != 0) {
        close(connection.fd);
        connection.fd = -1;
        tell(NDB_INPUT_GONE, 0);
    }
}

/* Prints what has been told: 0 nothing, 1 something, 3 all there is. */
static int print(ndb_node node) {
    ndb_event *event;
    int told = 0;
    while (ndb_next_event(node, &event) == NDB_OK) {
        const ndb_slice key = event->key, value = event->value;
        if (event->kind == NDB_EVENT_UPDATE)
            printf("%.*s = %.*s\n", (int)key.len, (const char *)key.data, (int)value.len, (const char *)value.data);
        told |= event->kind == NDB_EVENT_STATUS && event->number == 2 ? 3 : 1;
        ndb_event_free(event);
    }
    return told;
}

static uint64_t now(void) {
    struct timespec t;
    return clock_gettime(CLOCK_MONOTONIC, &t) == 0 ? (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec : 0;
}

int main(int count, char **args) {
    char text[256];
    int told = 0;
    ndb_node node;
    const ndb_output *outputs;
    size_t output_count, i;
    uint64_t deadline, time, len = 0;
    if (count < 3) return 2;
    snprintf(text, sizeof text, "hostname = 'c'\nendpoints = ['%s:%s']", args[1], args[2]);
    ndb_slice config = {(const uint8_t *)text, strlen(text)};
    ndb_options options = {sizeof options, NDB_KIND_SYNC_CLIENT, 0, 0, config, NULL, now(), NULL, NULL};
    if (ndb_create(&options, &node, NULL) != NDB_OK) return 1;
    while (told != 3) {
        size_t taken = input_count;
        input_count = 0;
        time = now();
        if (ndb_step(node, time, inputs, taken, arena, len, &outputs, &output_count, &deadline) != NDB_OK) return 1;
        for (len = 0, i = 0; i < output_count; i++) carry(&outputs[i]);
        told = print(node);
        if (told != 0 || input_count > 0) continue; /* to take events may make room, hence work */
        if (poll(&connection, 1, deadline > time ? (int)((deadline - time) / 1000000 + 1) : 0) == 1) {
            ssize_t got = recv(connection.fd, arena, sizeof arena, 0);
            tell(got > 0 ? NDB_INPUT_RECEIVED : NDB_INPUT_FINISHED, got > 0 ? (len = (uint64_t)got) : 0);
        }
    }
    return ndb_free(node) == NDB_OK ? 0 : 1;
}
