/*
 * The codec of Typha's sync protocol alone, between standard input and output.
 *
 *   codec decode <stream         prints the messages that a server sent, as JSON
 *   codec encode KEY VALUE …     writes a server's stream with these keys and values, and then that it is in sync
 *
 * Keys and values are put into JSON as they are. Build: cc codec.c $(pkg-config --cflags --libs networkdb)
 */
#include <networkdb.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[1 << 20]; /* a request */
static size_t text_len;

static void put(const char *part) {
    size_t len = strlen(part);
    if (len >= sizeof text - text_len) exit(3);
    memcpy(text + text_len, part, len + 1);
    text_len += len;
}

static void put_stream(void) {
    char hex[3];
    int byte;
    put("{\"op\":\"sync_decode\",\"stream_hex\":\"");
    while ((byte = getchar()) != EOF) {
        snprintf(hex, sizeof hex, "%02x", (unsigned)byte & 0xff);
        put(hex);
    }
    put("\"}");
}

static void put_updates(char **words, int count) {
    int i;
    put("{\"op\":\"sync_encode\",\"updates\":[");
    for (i = 0; i + 1 < count; i += 2) {
        put(i > 0 ? ",{\"key\":\"" : "{\"key\":\"");
        put(words[i]);
        put("\",\"value\":\"");
        put(words[i + 1]);
        put("\",\"update_type\":1}");
    }
    put("],\"status\":2}");
}

/* Writes the bytes of an answer such as {"stream_hex":"0a0b"}. */
static void write_stream(const ndb_buffer *answer) {
    const char *hex = (const char *)answer->data + strlen("{\"stream_hex\":\"");
    const char *end = (const char *)answer->data + answer->len - strlen("\"}");
    char pair[3] = "";
    for (; hex < end; hex += 2) {
        memcpy(pair, hex, 2);
        putchar((int)strtol(pair, NULL, 16));
    }
}

int main(int count, char **args) {
    static const char settings[] = "{}";
    const int encodes = count > 1 && strcmp(args[1], "encode") == 0;
    ndb_options options;
    ndb_buffer answer;
    ndb_node codec;
    ndb_status status;
    if (count < 2 || (!encodes && strcmp(args[1], "decode") != 0)) {
        fprintf(stderr, "usage: %s decode | encode KEY VALUE ...\n", args[0]);
        return 2;
    }
    memset(&answer, 0, sizeof answer);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.kind = NDB_KIND_CODEC;
    options.config.data = (const uint8_t *)settings;
    options.config.len = strlen(settings);
    if (ndb_create(&options, &codec, NULL) != NDB_OK) return 1;
    if (encodes) {
        put_updates(args + 2, count - 2);
    } else {
        put_stream();
    }
    status = ndb_command(codec, 0, (const uint8_t *)text, text_len, &answer);
    if (status == NDB_OK && encodes) {
        write_stream(&answer);
    } else {
        fprintf(status == NDB_OK ? stdout : stderr, "%.*s\n", (int)answer.len, (const char *)answer.data);
    }
    ndb_buffer_free(&answer);
    ndb_free(codec);
    return status == NDB_OK ? 0 : 1;
}
