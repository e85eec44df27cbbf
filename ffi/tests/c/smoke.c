/* What every program does: print the versions of its header and of the library, create, command, step, take events, free. */
#include <networkdb.h>

#include <stdio.h>
#include <string.h>

#define CHECK(what) \
    do { \
        if (!(what)) { \
            fprintf(stderr, "line %d: %s\n", __LINE__, #what); \
            return 1; \
        } \
    } while (0)

static ndb_slice text(const char *s) {
    ndb_slice slice;
    slice.data = (const uint8_t *)s;
    slice.len = strlen(s);
    return slice;
}

static ndb_status command(ndb_node node, const char *request, ndb_buffer *answer) {
    return ndb_command(node, 2, (const uint8_t *)request, strlen(request), answer);
}

int main(void) {
    ndb_options options;
    ndb_node node = 0;
    ndb_buffer buffer;
    ndb_row row;
    ndb_input input;
    const ndb_output *outputs;
    size_t count, len;
    uint64_t deadline;
    uint8_t value[4];
    ndb_event *event;

    CHECK(ndb_abi_version() == NDB_ABI_VERSION);
    printf("%d.%d.%d ", NDB_VERSION_MAJOR, NDB_VERSION_MINOR, NDB_VERSION_PATCH);
    printf("%.*s\n", (int)ndb_version().len, (const char *)ndb_version().data);
    CHECK(sizeof(ndb_addr) == 24 && sizeof(ndb_input) == 64 && sizeof(ndb_output) == 64);

    memset(&buffer, 0, sizeof buffer);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.kind = NDB_KIND_NETWORK_DB;
    options.config = text("nmae = 'a'");
    CHECK(ndb_create(&options, &node, &buffer) == NDB_CONFIG);
    CHECK(node == 0 && buffer.len > 0);
    ndb_buffer_free(&buffer);
    CHECK(buffer.data == NULL);
    ndb_buffer_free(&buffer);

    options.config = text("{\"name\":\"a\",\"advertise\":\"10.0.0.1:7946\"}");
    CHECK(ndb_create(&options, &node, &buffer) == NDB_OK);
    CHECK(node != 0 && buffer.data == NULL);
    CHECK(command(node, "{\"op\":\"network_join\",\"network\":\"web\"}", &buffer) == NDB_OK);
    CHECK(buffer.len >= 2 && buffer.data[0] == '{');
    ndb_buffer_free(&buffer);
    CHECK(command(node, "{\"op\":\"fly\"}", NULL) == NDB_REQUEST);

    memset(&row, 0, sizeof row);
    row.size = sizeof row;
    row.network = text("web");
    row.table = text("t");
    row.key = text("k");
    row.value = text("value");
    CHECK(ndb_write(node, 3, NDB_CREATE, &row) == NDB_OK);
    CHECK(ndb_write(node, 3, NDB_CREATE, &row) == NDB_EXISTS);
    CHECK(ndb_read_into(node, &row, value, sizeof value, &len) == NDB_TOO_SMALL);
    CHECK(len == 5);
    CHECK(ndb_read(node, &row, &buffer) == NDB_OK);
    CHECK(buffer.len == 5 && memcmp(buffer.data, "value", 5) == 0);
    ndb_buffer_free(&buffer);

    memset(&input, 0, sizeof input);
    CHECK(ndb_step(node, 4, &input, 1, NULL, 0, &outputs, &count, &deadline) == NDB_OK);
    CHECK(deadline != NDB_NEVER);
    while (ndb_next_event(node, &event) == NDB_OK) {
        CHECK(event->kind != 0);
        ndb_event_free(event);
    }
    CHECK(event == NULL);
    CHECK(ndb_wait_event(node, 1000, &event) == NDB_EMPTY);
    CHECK(ndb_free(node) == NDB_OK);
    CHECK(ndb_free(node) == NDB_CLOSED);
    CHECK(command(node, "{}", NULL) == NDB_CLOSED);
    return 0;
}
