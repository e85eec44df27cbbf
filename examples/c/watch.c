/*
 * A NetworkDB node with the built-in host: joins a cluster and a network, and prints what becomes of a table's rows.
 *
 *   watch NAME BIND SEED NETWORK TABLE [ROWS]      watch c-1 10.0.0.6:7946 10.0.0.1:7946 web endpoint_table
 *
 * Ends after so many rows, if told. Build: cc watch.c $(pkg-config --cflags --libs networkdb)
 */
#include <networkdb.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reports a failure, with the reason if there is one. */
static int failed(const char *what, ndb_status status, ndb_buffer *reason) {
    ndb_slice text = ndb_status_text(status);
    fprintf(stderr, "%s: %.*s\n", what, (int)text.len, (const char *)text.data);
    fprintf(stderr, "%.*s\n", (int)reason->len, (const char *)reason->data);
    ndb_buffer_free(reason);
    return 1;
}

static ndb_status command(ndb_node node, const char *request, ndb_buffer *answer) {
    ndb_buffer_free(answer);
    return ndb_command(node, 0, (const uint8_t *)request, strlen(request), answer);
}

static void print(const char *what, const ndb_event *event) {
    printf("%s %.*s", what, (int)event->key.len, (const char *)event->key.data);
    if (event->value.data != NULL) {
        printf(" = %.*s", (int)event->value.len, (const char *)event->value.data);
    }
    printf("\n");
    fflush(stdout);
}

/* Takes events until so many rows were told. */
static ndb_status follow(ndb_node node, long rows) {
    ndb_status status = NDB_OK;
    ndb_event *event;
    while (rows != 0 && (status = ndb_wait_event(node, NDB_NEVER, &event)) == NDB_OK) {
        switch (event->kind) {
        case NDB_EVENT_JOINED:
            fprintf(stderr, "joined through %d of the seeds\n", (int)event->number);
            break;
        case NDB_EVENT_ROW_CREATED:
        case NDB_EVENT_ROW_UPDATED:
            print(event->kind == NDB_EVENT_ROW_CREATED ? "created" : "updated", event);
            rows -= rows > 0;
            break;
        case NDB_EVENT_ROW_DELETED:
            print("deleted", event);
            break;
        case NDB_EVENT_RESYNC:
            printf("all over again\n");
            break;
        default:
            break;
        }
        ndb_event_free(event);
    }
    return status;
}

int main(int count, char **args) {
    char text[512];
    ndb_node node;
    ndb_status status;
    ndb_options options;
    ndb_buffer answer;
    if (count < 6) {
        fprintf(stderr, "usage: %s NAME BIND SEED NETWORK TABLE [ROWS]\n", args[0]);
        return 2;
    }
    snprintf(text, sizeof text, "name = '%s'\nbind = '%s'", args[1], args[2]);
    memset(&answer, 0, sizeof answer);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.kind = NDB_KIND_NETWORK_DB;
    options.config.data = (const uint8_t *)text;
    options.config.len = strlen(text);
    if ((status = ndb_create(&options, &node, &answer)) != NDB_OK) return failed("create", status, &answer);
    if ((status = ndb_run(node)) != NDB_OK) return failed("run", status, &answer);
    snprintf(text, sizeof text, "{\"op\":\"watch\",\"network\":\"%s\",\"table\":\"%s\"}", args[4], args[5]);
    if ((status = command(node, text, &answer)) != NDB_OK) return failed("watch", status, &answer);
    snprintf(text, sizeof text, "{\"op\":\"join\",\"members\":[\"%s\"]}", args[3]);
    if ((status = command(node, text, &answer)) != NDB_OK) return failed("join", status, &answer);
    snprintf(text, sizeof text, "{\"op\":\"network_join\",\"network\":\"%s\"}", args[4]);
    if ((status = command(node, text, &answer)) != NDB_OK) return failed("network", status, &answer);
    ndb_buffer_free(&answer);
    status = follow(node, count > 6 ? atol(args[6]) : -1);
    ndb_free(node);
    return status == NDB_OK ? 0 : failed("follow", status, &answer);
}
