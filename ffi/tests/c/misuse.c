/*
 * What a program can do wrong, and what it is told: a status, and nothing is lost or broken. For AddressSanitizer and valgrind.
 *
 *   misuse [fault]      with `fault` the library has the command `panic`
 */
#define _POSIX_C_SOURCE 200809L
#include <networkdb.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(what) \
    do { \
        if (!(what)) { \
            fprintf(stderr, "line %d: %s\n", __LINE__, #what); \
            exit(1); \
        } \
    } while (0)

static const char config[] = "{\"name\":\"a\",\"advertise\":\"10.0.0.1:7946\"}";

static ndb_options settings(void) {
    ndb_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.kind = NDB_KIND_NETWORK_DB;
    options.config.data = (const uint8_t *)config;
    options.config.len = strlen(config);
    return options;
}

static ndb_node create(void) {
    ndb_options options = settings();
    ndb_node node;
    CHECK(ndb_create(&options, &node, NULL) == NDB_OK);
    return node;
}

static ndb_status command(ndb_node node, const char *request) {
    return ndb_command(node, 2, (const uint8_t *)request, strlen(request), NULL);
}

static ndb_status step(ndb_node node, const ndb_input *inputs, size_t count) {
    static const uint8_t arena[16] = {0};
    const ndb_output *outputs;
    size_t output_count;
    uint64_t deadline;
    return ndb_step(node, 3, inputs, count, arena, sizeof arena, &outputs, &output_count, &deadline);
}

static void take_all(ndb_node node) {
    ndb_event *event;
    while (ndb_next_event(node, &event) == NDB_OK) ndb_event_free(event);
}

/* Every place for an answer may be missing where that is said, and is refused elsewhere. */
static void nulls(void) {
    ndb_options options = settings();
    ndb_node node = create(), made = 7;
    ndb_row row;
    ndb_slice none = {NULL, 0};
    uint64_t deadline;
    size_t len = 0;
    memset(&row, 0, sizeof row);
    CHECK(ndb_create(NULL, &made, NULL) == NDB_INVALID && made == 0);
    CHECK(ndb_create(&options, NULL, NULL) == NDB_INVALID);
    CHECK(ndb_step(node, 1, NULL, 1, NULL, 0, NULL, NULL, NULL) == NDB_INVALID);
    CHECK(ndb_step(node, 1, NULL, 0, NULL, 0, NULL, NULL, NULL) == NDB_INVALID);
    CHECK(ndb_pump(node, 1, NULL, 0, NULL, 0, NULL, &deadline) == NDB_INVALID);
    CHECK(ndb_command(node, 1, NULL, 5, NULL) == NDB_INVALID);
    CHECK(ndb_command(node, 1, NULL, 0, NULL) == NDB_REQUEST);
    CHECK(ndb_write(node, 1, NDB_PUT, NULL) == NDB_INVALID);
    CHECK(ndb_write(node, 1, NDB_PUT, &row) == NDB_INVALID); /* its size is not set */
    CHECK(ndb_read(node, NULL, NULL) == NDB_INVALID);
    CHECK(ndb_read_into(node, NULL, NULL, 0, &len) == NDB_INVALID);
    CHECK(ndb_publish(node, 1, none, NULL, 1, NULL) == NDB_INVALID);
    CHECK(ndb_sync_decode(node, NULL, 5, 0, NULL) == NDB_INVALID);
    CHECK(ndb_sync_encode(NULL, 1, 0, NULL) == NDB_INVALID);
    CHECK(ndb_next_event(node, NULL) == NDB_INVALID);
    CHECK(ndb_wait_event(node, 0, NULL) == NDB_INVALID);
    CHECK(ndb_wake_fd(node, NULL) == NDB_INVALID && ndb_event_fd(node, NULL) == NDB_INVALID);
    ndb_event_free(NULL);
    ndb_buffer_free(NULL);
    CHECK(ndb_free(node) == NDB_OK);
}

/* Each function tells of a node that is not there. */
static void no_node(ndb_node node) {
    ndb_event *event;
    ndb_buffer value = {NULL, 0, NULL};
    ndb_row row;
    ndb_slice none = {NULL, 0};
    int32_t fd;
    size_t len;
    memset(&row, 0, sizeof row);
    row.size = sizeof row;
    CHECK(ndb_free(node) == NDB_CLOSED);
    CHECK(step(node, NULL, 0) == NDB_CLOSED);
    CHECK(ndb_run(node) == NDB_CLOSED);
    CHECK(command(node, "{\"op\":\"stats\"}") == NDB_CLOSED);
    CHECK(ndb_write(node, 1, NDB_PUT, &row) == NDB_CLOSED);
    CHECK(ndb_read(node, &row, &value) == NDB_CLOSED);
    CHECK(ndb_read_into(node, &row, NULL, 0, &len) == NDB_CLOSED);
    CHECK(ndb_publish(node, 1, none, NULL, 0, NULL) == NDB_CLOSED);
    CHECK(ndb_sync_decode(node, NULL, 0, 0, NULL) == NDB_CLOSED);
    CHECK(ndb_next_event(node, &event) == NDB_CLOSED);
    CHECK(ndb_wait_event(node, NDB_NEVER, &event) == NDB_CLOSED);
    CHECK(ndb_wake_fd(node, &fd) == NDB_CLOSED && ndb_event_fd(node, &fd) == NDB_CLOSED);
}

/* What was taken outlives the node. */
static void freed(void) {
    ndb_node node = create();
    ndb_buffer answer = {NULL, 0, NULL};
    ndb_event *event;
    static const char request[] = "{\"op\":\"network_join\",\"network\":\"web\"}";
    CHECK(ndb_command(node, 2, (const uint8_t *)request, strlen(request), &answer) == NDB_OK);
    CHECK(ndb_next_event(node, &event) == NDB_OK);
    CHECK(ndb_free(node) == NDB_OK);
    CHECK(answer.data[0] == '{' && event->kind != 0);
    ndb_event_free(event);
    ndb_buffer_free(&answer);
    ndb_buffer_free(&answer);
    no_node(node);
}

/* A wrong input is told, and nothing of its batch is taken. */
static void wrong_inputs(void) {
    ndb_node node = create();
    ndb_input input;
    memset(&input, 0, sizeof input);
    input.kind = 99;
    CHECK(step(node, &input, 1) == NDB_INVALID);
    input.kind = NDB_INPUT_DATAGRAM;
    CHECK(step(node, &input, 1) == NDB_INVALID); /* without an address */
    input.addr.family = 4;
    input.offset = 8;
    input.len = 9;
    CHECK(step(node, &input, 1) == NDB_INVALID); /* beyond the arena */
    input.offset = UINT64_MAX;
    CHECK(step(node, &input, 1) == NDB_INVALID);
    input.kind = NDB_INPUT_SENT;
    input.stream = 7;
    CHECK(step(node, &input, 1) == NDB_STREAM);
    CHECK(ndb_write(node, 1, 99, NULL) == NDB_INVALID);
    CHECK(ndb_free(node) == NDB_OK);
}

static void too_small(void) {
    ndb_node node = create();
    ndb_row row;
    uint8_t value[4] = {9, 9, 9, 9};
    size_t len = 0;
    memset(&row, 0, sizeof row);
    row.size = sizeof row;
    row.key.data = (const uint8_t *)"key";
    row.key.len = 3;
    row.value = row.key;
    CHECK(ndb_write(node, 1, NDB_CREATE, &row) == NDB_OK);
    CHECK(ndb_read_into(node, &row, value, 2, &len) == NDB_TOO_SMALL && len == 3 && value[0] == 9);
    CHECK(ndb_read_into(node, &row, value, 3, &len) == NDB_OK && value[0] == 'k' && value[3] == 9);
    CHECK(ndb_free(node) == NDB_OK);
}

/* ---- Threads --------------------------------------------------------------------------------------------------- */

static void *drive(void *argument) {
    int i;
    for (i = 0; i < 2000; i++) {
        ndb_status status = step(*(ndb_node *)argument, NULL, 0);
        CHECK(status == NDB_OK || status == NDB_BUSY);
        CHECK(command(*(ndb_node *)argument, "{\"op\":\"stats\"}") == NDB_OK);
    }
    return NULL;
}

static void two_threads_step(void) {
    ndb_node node = create();
    pthread_t one, other;
    CHECK(pthread_create(&one, NULL, drive, &node) == 0 && pthread_create(&other, NULL, drive, &node) == 0);
    pthread_join(one, NULL);
    pthread_join(other, NULL);
    CHECK(step(node, NULL, 0) == NDB_OK && ndb_free(node) == NDB_OK);
}

static void *wait_for_event(void *argument) {
    ndb_event *event;
    ndb_status status = ndb_wait_event(*(ndb_node *)argument, NDB_NEVER, &event);
    CHECK(status == NDB_CLOSED && event == NULL);
    return NULL;
}

static void closed_while_waited_for(void) {
    ndb_node node = create();
    struct pollfd ready = {-1, POLLIN, 0};
    pthread_t waiter;
    int32_t fd;
    take_all(node);
    CHECK(ndb_event_fd(node, &fd) == NDB_OK);
    CHECK((ready.fd = dup(fd)) >= 0);
    CHECK(pthread_create(&waiter, NULL, wait_for_event, &node) == 0);
    CHECK(ndb_free(node) == NDB_OK);
    pthread_join(waiter, NULL);
    CHECK(poll(&ready, 1, 10000) == 1); /* who polls is woken as well */
    close(ready.fd);
}

/* ---- Callbacks ------------------------------------------------------------------------------------------------- */

static int calls;

static void within(void *user) {
    ndb_node node = *(ndb_node *)user;
    calls++;
    CHECK(step(node, NULL, 0) == NDB_BUSY);
    CHECK(command(node, "{\"op\":\"stats\"}") == NDB_OK);
    take_all(node);
}

static void on_send(void *user, const ndb_addr *to, const uint8_t *data, size_t len) {
    (void)to, (void)data, (void)len;
    within(user);
}

/* It fails: nothing is dialled, and the node is told so by the next step. */
static void on_open(void *user, uint64_t stream, const ndb_addr *to, const uint8_t *data, size_t len) {
    (void)stream, (void)to, (void)data, (void)len;
    within(user);
}

static void on_write(void *user, uint64_t stream, uint64_t own, const uint8_t *data, size_t len) {
    (void)stream, (void)own, (void)data, (void)len;
    within(user);
}

static void on_word(void *user, uint64_t stream, uint64_t own, uint32_t word) {
    (void)stream, (void)own, (void)word;
    within(user);
}

static void callbacks(void) {
    ndb_node node = create();
    ndb_event *event;
    ndb_transport transport;
    ndb_input failed;
    uint64_t deadline;
    memset(&transport, 0, sizeof transport);
    transport.size = sizeof transport;
    transport.user = &node;
    CHECK(ndb_pump(node, 3, NULL, 0, NULL, 0, &transport, &deadline) == NDB_INVALID);
    transport.send = on_send;
    transport.open = on_open;
    transport.write = on_write;
    transport.reading = on_word;
    transport.close = on_word;
    take_all(node);
    CHECK(command(node, "{\"op\":\"join\",\"members\":[\"10.0.0.9:7946\"]}") == NDB_OK);
    CHECK(ndb_pump(node, 3, NULL, 0, NULL, 0, &transport, &deadline) == NDB_OK && calls == 1);
    memset(&failed, 0, sizeof failed);
    failed.kind = NDB_INPUT_FAILED;
    failed.code = NDB_FAULT_REFUSED;
    failed.stream = 2;
    CHECK(ndb_pump(node, 4, &failed, 1, NULL, 0, &transport, &deadline) == NDB_OK);
    CHECK(ndb_next_event(node, &event) == NDB_OK);
    CHECK(event->kind == NDB_EVENT_JOINED && event->code == NDB_UNREACHABLE);
    ndb_event_free(event);
    CHECK(ndb_free(node) == NDB_OK);
}

/* ---- Processes and faults -------------------------------------------------------------------------------------- */

/* A child has none of its parent's nodes, and may make its own. */
static void forked(void) {
    ndb_node node = create();
    int status = 1;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        no_node(node);
        CHECK(ndb_free(create()) == NDB_OK);
        /* Not by `exit`: the parent's nodes, which a child cannot free, would be looked for as leaks. */
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(step(node, NULL, 0) == NDB_OK && ndb_free(node) == NDB_OK);
}

static void poisoned(void) {
    ndb_node node = create(), other = create();
    CHECK(command(node, "{\"op\":\"panic\"}") == NDB_POISONED);
    CHECK(command(node, "{\"op\":\"stats\"}") == NDB_POISONED);
    CHECK(step(node, NULL, 0) == NDB_POISONED);
    CHECK(step(other, NULL, 0) == NDB_OK);
    CHECK(ndb_free(node) == NDB_OK && ndb_free(other) == NDB_OK);
}

int main(int count, char **arguments) {
    nulls();
    no_node(0);
    no_node(UINT64_MAX);
    freed();
    wrong_inputs();
    too_small();
    two_threads_step();
    closed_while_waited_for();
    callbacks();
    forked();
    if (count > 1 && strcmp(arguments[1], "fault") == 0) poisoned();
    return 0;
}
