/*
 * A manager of endpoints with the built-in host: joins a cluster and a network, and publishes in the table `endpoint_table`
 * what it reads: `NAME ADDRESS` sets an endpoint, `NAME` alone takes it away. At the end of the input it says goodbye.
 *
 *   publish NAME BIND SEED NETWORK      publish c-1 10.0.0.6:7946 10.0.0.1:7946 web <endpoints.txt
 *
 * Build: cc publish.c $(pkg-config --cflags --libs networkdb)
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

static void command(const char *format, const char *name) {
    char text[256];
    snprintf(text, sizeof text, format, name);
    check(text, ndb_command(node, 0, (const uint8_t *)text, strlen(text), NULL));
}

/* Waits until a request has ended, and tells how. */
static ndb_status await(uint16_t kind) {
    ndb_event *event;
    ndb_status status = NDB_OK;
    int found = 0;
    while (!found) {
        check("wait", ndb_wait_event(node, NDB_NEVER, &event));
        found = event->kind == kind;
        status = (ndb_status)event->code;
        ndb_event_free(event);
    }
    return status;
}

static void publish(const char *network, char *line) {
    char *name = strtok(line, " \n"), *address = strtok(NULL, " \n");
    ndb_row row;
    if (name == NULL) return;
    row.size = sizeof row;
    row.network = slice(network);
    row.table = slice("endpoint_table");
    row.key = slice(name);
    row.value = slice(address != NULL ? address : "");
    check(name, ndb_write(node, 0, address != NULL ? NDB_PUT : NDB_DELETE, &row));
}

int main(int count, char **args) {
    char text[256];
    ndb_options options;
    if (count < 5) {
        fprintf(stderr, "usage: %s NAME BIND SEED NETWORK\n", args[0]);
        return 2;
    }
    snprintf(text, sizeof text, "name = '%s'\nbind = '%s'", args[1], args[2]);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.kind = NDB_KIND_NETWORK_DB;
    options.config = slice(text);
    check("create", ndb_create(&options, &node, NULL));
    check("run", ndb_run(node));
    command("{\"op\":\"join\",\"members\":[\"%s\"]}", args[3]);
    check("join", await(NDB_EVENT_JOINED));
    command("{\"op\":\"network_join\",\"network\":\"%s\"}", args[4]);
    check("join the network", await(NDB_EVENT_NETWORK_JOINED));
    while (fgets(text, sizeof text, stdin) != NULL) publish(args[4], text);
    command("{\"op\":\"leave\"}", "");
    check("leave", await(NDB_EVENT_LEFT));
    return ndb_free(node) == NDB_OK ? 0 : 1;
}
