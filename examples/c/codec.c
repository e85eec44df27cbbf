/*
 * The codec of Typha's sync protocol alone, between standard input and output: no sockets, no threads.
 *
 *   codec decode <stream         prints the messages that a server sent
 *   codec encode KEY VALUE ...   writes a server's stream with these keys and values, and then that it is in sync
 *
 * Build: cc codec.c $(pkg-config --cflags --libs networkdb)
 */
#include <networkdb.h>

#include <stdio.h>
#include <string.h>

enum { IN_SYNC = 2, NEW = 1, MOST = 64 };

static ndb_slice slice(const char *text) {
    ndb_slice slice;
    slice.data = (const uint8_t *)text;
    slice.len = strlen(text);
    return slice;
}

static void show(const ndb_event *event) {
    switch (event->kind) {
    case NDB_EVENT_UPDATE:
    case NDB_EVENT_DELETION:
        printf("%.*s = ", (int)event->key.len, (const char *)event->key.data);
        printf("%.*s\n", (int)event->value.len, (const char *)event->value.data);
        break;
    case NDB_EVENT_STATUS:
        printf("status: %u\n", (unsigned)event->number);
        break;
    case NDB_EVENT_SERVER_HELLO:
        printf("server_hello: %.*s\n", (int)event->value.len, (const char *)event->value.data);
        break;
    default: /* what says nothing about keys */
        break;
    }
}

/* Prints the messages as they become whole, however the bytes are cut. */
static int decode(ndb_node codec) {
    uint8_t bytes[4096];
    ndb_status status = NDB_OK;
    size_t len;
    while (status == NDB_OK && (len = fread(bytes, 1, sizeof bytes, stdin)) > 0) {
        ndb_buffer error = {NULL, 0, NULL};
        ndb_event *event;
        status = ndb_sync_decode(codec, bytes, len, 0, &error);
        if (status != NDB_OK) fprintf(stderr, "%.*s\n", (int)error.len, (const char *)error.data);
        ndb_buffer_free(&error);
        for (; ndb_next_event(codec, &event) == NDB_OK; ndb_event_free(event)) show(event);
    }
    return status == NDB_OK ? 0 : 1;
}

static int encode(char **words, int count) {
    ndb_update updates[MOST];
    ndb_buffer stream;
    ndb_status status;
    size_t i, pairs = (size_t)count / 2;
    if (pairs > MOST) return 2;
    memset(updates, 0, sizeof updates);
    for (i = 0; i < pairs; i++) {
        updates[i].key = slice(words[2 * i]);
        updates[i].value = slice(words[2 * i + 1]);
        updates[i].update_type = NEW;
    }
    status = ndb_sync_encode(updates, pairs, IN_SYNC, &stream);
    if (status != NDB_OK) return 1;
    fwrite(stream.data, 1, stream.len, stdout);
    ndb_buffer_free(&stream);
    return 0;
}

int main(int count, char **args) {
    ndb_options options;
    ndb_node codec;
    int result;
    if (count > 1 && strcmp(args[1], "encode") == 0) return encode(args + 2, count - 2);
    if (count != 2 || strcmp(args[1], "decode") != 0) {
        fprintf(stderr, "usage: %s decode | encode KEY VALUE ...\n", args[0]);
        return 2;
    }
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.kind = NDB_KIND_CODEC;
    options.config = slice("{}");
    if (ndb_create(&options, &codec, NULL) != NDB_OK) return 1;
    result = decode(codec);
    ndb_free(codec);
    return result;
}
