/*
 * A server of Typha's sync protocol with the built-in host. It publishes what it reads: `KEY VALUE` sets a key, `KEY` alone
 * deletes it, an empty line says that all there is has been read. At the end of the input it lets its clients go.
 *
 *   serve BIND      serve 10.0.0.6:5473 <keys.txt      Build: cc serve.c $(pkg-config --cflags --libs networkdb)
 */
#include <networkdb.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ndb_node node;

static void check(const char *what, ndb_status status) {
    ndb_slice text = ndb_status_text(status);
    if (status == NDB_OK) return;
    fprintf(stderr, "%s: %.*s\n", what, (int)text.len, (const char *)text.data);
    if (node != 0) ndb_free(node);
    exit(1);
}

static ndb_slice slice(const char *text) {
    ndb_slice slice;
    slice.data = (const uint8_t *)text;
    slice.len = strlen(text);
    return slice;
}

static void command(const char *request, ndb_buffer *answer) {
    check(request, ndb_command(node, 0, (const uint8_t *)request, strlen(request), answer));
}

/* Publishes one line. */
static void publish(char *line) {
    char *key = strtok(line, " \n"), *value = strtok(NULL, "\n");
    ndb_update update;
    if (key == NULL) {
        command("{\"op\":\"status\",\"syncer_type\":\"felix\",\"status\":2}", NULL);
        return;
    }
    memset(&update, 0, sizeof update); /* without a value: a deletion */
    update.key = slice(key);
    if (value != NULL) update.value = slice(value);
    check(key, ndb_publish(node, 0, slice("felix"), &update, 1, NULL));
}

/* Prints who comes and goes, until the last has gone. */
static void drain(void) {
    ndb_event *event;
    int ended = 0;
    command("{\"op\":\"drain\",\"timeout_ms\":1000}", NULL);
    while (!ended) {
        check("wait", ndb_wait_event(node, NDB_NEVER, &event));
        if (event->kind == NDB_EVENT_CLIENT_JOINED) {
            printf("%.*s came\n", (int)event->key.len, (const char *)event->key.data);
        } else if (event->kind == NDB_EVENT_CLIENT_CLOSED) {
            printf("stream %d ended: %.*s\n", (int)event->id, (int)event->text.len, (const char *)event->text.data);
        }
        ended = event->kind == NDB_EVENT_DRAINED;
        ndb_event_free(event);
    }
}

int main(int count, char **args) {
    char line[4096];
    ndb_options options;
    ndb_buffer answer;
    if (count < 2) {
        fprintf(stderr, "usage: %s BIND\n", args[0]);
        return 2;
    }
    snprintf(line, sizeof line, "syncer_types = ['felix']\nbind = '%s'", args[1]);
    memset(&answer, 0, sizeof answer);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.kind = NDB_KIND_SYNC_SERVER;
    options.config = slice(line);
    check("create", ndb_create(&options, &node, NULL));
    check("run", ndb_run(node));
    command("{\"op\":\"info\"}", &answer);
    printf("%.*s\n", (int)answer.len, (const char *)answer.data);
    fflush(stdout);
    ndb_buffer_free(&answer);
    while (fgets(line, sizeof line, stdin) != NULL) publish(line);
    drain();
    return ndb_free(node) == NDB_OK ? 0 : 1;
}
