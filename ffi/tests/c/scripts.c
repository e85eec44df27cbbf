/*
 * Runs a scenario script: does what it says through the library and prints it anew with the trace of what happened.
 * The grammar is in tests/scenarios/steps/README.md. A script that cannot be read ends the program with 2.
 */
#define _POSIX_C_SOURCE 200809L
#include <networkdb.h>

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_INPUTS 256

static ndb_node node;
static uint64_t now;
static uint8_t seed[32];

/* Of the next step. */
static ndb_input inputs[MAX_INPUTS];
static size_t input_count;
static uint8_t *arena;
static size_t arena_len;

static void fail(const char *what) {
    fprintf(stderr, "wrong script: %s\n", what);
    exit(2);
}

/* ---- Words ----------------------------------------------------------------------------------------------------- */

/* Cuts a line at its spaces, at most so often; the rest is the last word. */
static int cut(char *line, char **words, int most) {
    int count = 0;
    while (line != NULL && count < most) {
        words[count++] = line;
        line = count < most ? strchr(line, ' ') : NULL;
        if (line != NULL) *line++ = 0;
    }
    return count;
}

/* The place of a word in a list that ends with NULL. */
static int lookup(const char *word, const char *const *list) {
    int place;
    for (place = 0; list[place] != NULL; place++) {
        if (strcmp(word, list[place]) == 0) return place;
    }
    fail(word);
    return -1;
}

static uint64_t number(const char *text) {
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (end == text || *end != 0) fail(text);
    return value;
}

static unsigned digit(char c) {
    if (c >= '0' && c <= '9') return (unsigned)(c - '0');
    if (c < 'a' || c > 'f') fail("hex");
    return (unsigned)(c - 'a' + 10);
}

static ndb_slice slice(const void *data, size_t len) {
    ndb_slice slice;
    slice.data = (const uint8_t *)data;
    slice.len = len;
    return slice;
}

static ndb_slice name(const char *text) {
    return slice(text, strlen(text));
}

/* The bytes of a word, in its place. */
static ndb_slice bytes(char *text) {
    size_t len = strcmp(text, "-") == 0 ? 0 : strlen(text), i;
    if (len % 2 != 0) fail("hex");
    for (i = 0; i < len / 2; i++) text[i] = (char)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
    return slice(text, len / 2); /* not NULL, even if it is empty */
}

static ndb_addr read_addr(char *text) {
    ndb_addr addr;
    char *port = strrchr(text, ':');
    memset(&addr, 0, sizeof addr);
    if (port == NULL) fail(text);
    *port = 0;
    addr.port = (uint16_t)number(port + 1);
    addr.family = *text == '[' ? 6 : 4;
    if (addr.family == 6) {
        text++;
        port[-1] = 0;
    }
    if (inet_pton(addr.family == 6 ? AF_INET6 : AF_INET, text, addr.ip) != 1) fail(text);
    return addr;
}

/* ---- The trace ------------------------------------------------------------------------------------------------- */

static void print_hex(const uint8_t *data, uint64_t len) {
    uint64_t i;
    for (i = 0; i < len; i++) printf("%02x", data[i]);
}

static void print_addr(const ndb_addr *addr) {
    char text[INET6_ADDRSTRLEN];
    inet_ntop(addr->family == 6 ? AF_INET6 : AF_INET, addr->ip, text, sizeof text);
    printf(addr->family == 6 ? "[%s]:%d" : "%s:%d", text, addr->port);
}

static void print_bytes(const char *field, ndb_slice value, int even_if_empty) {
    if (value.len == 0 && !(even_if_empty && value.data != NULL)) return;
    printf(" %s=", field);
    print_hex(value.data, value.len);
}

static void print_number(const char *field, uint64_t value) {
    if (value != 0) printf(" %s=%" PRIu64, field, value);
}

static void print_event(const ndb_event *event) {
    printf("  ! %d", event->kind);
    print_number("code", (uint64_t)event->code);
    print_number("id", event->id);
    print_number("number", event->number);
    print_number("detail", event->detail);
    if (event->addr.family != 0) {
        printf(" addr=");
        print_addr(&event->addr);
    }
    print_bytes("network", event->network, 0);
    print_bytes("table", event->table, 0);
    print_bytes("key", event->key, 0);
    print_bytes("value", event->value, 1);
    print_bytes("previous", event->previous, 1);
    print_bytes("revision", event->revision, 0);
    print_bytes("version", event->version, 0);
    printf("\n");
}

static void print_events(void) {
    ndb_event *event;
    while (ndb_next_event(node, &event) == NDB_OK) {
        print_event(event);
        ndb_event_free(event);
    }
}

static void print_status(ndb_status status, const ndb_buffer *answer) {
    printf("  = %d", (int)status);
    if (status == NDB_OK && answer->len > 0) printf(" %.*s", (int)answer->len, (const char *)answer->data);
    printf("\n");
}

static void print_output(const ndb_output *output) {
    static const char *const words[] = {"datagram", "open", "write", "reading", "close"};
    printf("  > %s ", words[output->kind]);
    if (output->kind != NDB_OUTPUT_DATAGRAM) printf("%" PRIu64 " ", output->stream);
    switch (output->kind) {
    case NDB_OUTPUT_DATAGRAM:
        print_addr(&output->addr);
        printf(" ");
        print_hex(output->data, output->len);
        break;
    case NDB_OUTPUT_OPEN:
        if (output->addr.family == 0) {
            printf("%.*s:%d", (int)output->len, (const char *)output->data, output->addr.port);
        } else {
            print_addr(&output->addr);
        }
        break;
    case NDB_OUTPUT_WRITE:
        print_hex(output->data, output->len);
        break;
    case NDB_OUTPUT_READING:
        printf(output->code != 0 ? "on" : "off");
        break;
    default:
        printf(output->code != 0 ? "abort" : "finish");
    }
    printf("\n");
}

/* ---- What is done ---------------------------------------------------------------------------------------------- */

static void gather(ndb_input *input, ndb_slice data) {
    arena = (uint8_t *)realloc(arena, arena_len + data.len + 1);
    if (arena == NULL) fail("no memory");
    memcpy(arena + arena_len, data.data, data.len);
    input->offset = arena_len;
    input->len = data.len;
    arena_len += data.len;
}

/* An input: its kind and the words it is of. */
static void give(uint16_t kind, char **words) {
    ndb_input *input = &inputs[input_count++];
    if (input_count > MAX_INPUTS) fail("too many inputs");
    memset(input, 0, sizeof *input);
    input->kind = kind;
    if (kind > NDB_INPUT_DATAGRAM) input->stream = number(words[1]);
    switch (kind) {
    case NDB_INPUT_DATAGRAM:
        input->addr = read_addr(words[1]);
        gather(input, bytes(words[2]));
        break;
    case NDB_INPUT_ACCEPTED:
    case NDB_INPUT_OPENED:
        input->addr = read_addr(words[2]);
        break;
    case NDB_INPUT_RECEIVED:
        gather(input, bytes(words[2]));
        break;
    case NDB_INPUT_SENT:
        input->len = number(words[2]);
        break;
    case NDB_INPUT_FAILED:
        input->code = (uint16_t)number(words[2]);
        break;
    default:
        break;
    }
}

static void step(void) {
    const ndb_output *outputs;
    size_t count, i;
    uint64_t deadline;
    ndb_status status = ndb_step(node, now, inputs, input_count, arena, arena_len, &outputs, &count, &deadline);
    if (status != NDB_OK) fail("a step was refused");
    input_count = arena_len = 0;
    for (i = 0; i < count; i++) print_output(&outputs[i]);
    if (deadline == NDB_NEVER) {
        printf("  > deadline never\n");
    } else {
        printf("  > deadline %" PRIu64 "\n", deadline);
    }
    print_events();
}

static void create(char *rest) {
    static const char *const kinds[] = {"networkdb", "memberlist", "sync_server", "sync_client", "codec", NULL};
    ndb_options options;
    ndb_buffer answer = {NULL, 0, NULL};
    char *words[2];
    if (cut(rest, words, 2) != 2) fail("node");
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.kind = (uint16_t)(lookup(words[0], kinds) + NDB_KIND_NETWORK_DB);
    options.config = name(words[1]);
    options.seed = seed;
    options.now_ns = now;
    print_status(ndb_create(&options, &node, &answer), &answer);
    ndb_buffer_free(&answer);
}

static void command(const char *request) {
    ndb_buffer answer = {NULL, 0, NULL};
    print_status(ndb_command(node, now, (const uint8_t *)request, strlen(request), &answer), &answer);
    ndb_buffer_free(&answer);
    print_events();
}

static void write_row(char *rest) {
    static const char *const hows[] = {"put", "create", "update", "delete", NULL};
    const ndb_buffer none = {NULL, 0, NULL};
    char *words[5];
    ndb_row row;
    if (cut(rest, words, 5) != 5) fail("write");
    row.size = sizeof row;
    row.network = name(words[1]);
    row.table = name(words[2]);
    row.key = name(words[3]);
    row.value = bytes(words[4]);
    print_status(ndb_write(node, now, (uint16_t)lookup(words[0], hows), &row), &none);
    print_events();
}

static void publish(char *rest) {
    const ndb_buffer none = {NULL, 0, NULL};
    char *words[3];
    int count = cut(rest, words, 3);
    ndb_update update;
    if (count < 2) fail("publish");
    memset(&update, 0, sizeof update);
    update.key = name(words[1]);
    if (count == 3) update.value = bytes(words[2]);
    print_status(ndb_publish(node, now, name(words[0]), &update, 1, NULL), &none);
    print_events();
}

/* Does what a line says. */
static void act(char *line) {
    static const char *const all[] = {"tick",     "datagram", "accepted", "opened", "received", "sent",
                                      "finished", "failed",   "gone",     "seed",   "at",       "node",
                                      "step",     "command",  "write",    "publish", NULL};
    static const int lengths[] = {1, 3, 3, 3, 3, 3, 2, 3, 2};
    char *words[2], *parts[3];
    int count = cut(line, words, 2), which = lookup(words[0], all);
    char *rest = count == 2 ? words[1] : words[0] + strlen(words[0]);
    if (which <= NDB_INPUT_GONE) {
        parts[0] = words[0];
        if ((count == 2 ? cut(rest, parts + 1, 2) : 0) + 1 != lengths[which]) fail(words[0]);
        give((uint16_t)which, parts);
    } else if (strcmp(words[0], "seed") == 0) {
        ndb_slice given = bytes(rest);
        if (given.len != sizeof seed) fail("seed");
        memcpy(seed, given.data, sizeof seed);
    } else if (strcmp(words[0], "at") == 0) {
        now = number(rest);
    } else if (strcmp(words[0], "node") == 0) {
        create(rest);
    } else if (strcmp(words[0], "step") == 0) {
        step();
    } else if (strcmp(words[0], "command") == 0) {
        command(rest);
    } else if (strcmp(words[0], "write") == 0) {
        write_row(rest);
    } else {
        publish(rest);
    }
}

int main(int count, char **arguments) {
    FILE *script = count == 2 ? fopen(arguments[1], "r") : NULL;
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    if (script == NULL) fail("usage: scripts FILE");
    while ((len = getline(&line, &room, script)) > 0) {
        if (strncmp(line, "  ", 2) == 0) continue;
        printf("%s", line);
        if (line[len - 1] == '\n') line[len - 1] = 0;
        if (line[0] != 0 && line[0] != '#') act(line);
    }
    free(line);
    free(arena);
    fclose(script);
    return ndb_free(node) == NDB_OK ? 0 : 1;
}
