/*
 * What Go cannot pass as it is: structures with pointers in them are built here from plain arguments, so that nothing has to
 * be pinned and nothing escapes.
 */
#ifndef NETWORKDB_GO_SHIM_H
#define NETWORKDB_GO_SHIM_H

#include <networkdb.h>
#include <stdlib.h>
#include <string.h>

/* What a step answers. */
typedef struct {
    const ndb_output *outputs;
    size_t count;
    uint64_t deadline;
} shim_stepped;

/* An update whose bytes follow one another in an arena, in this order. `has`: bit 0 a value, bit 1 a revision. */
typedef struct {
    size_t key, value, revision, version;
    int64_t ttl_ns;
    uint8_t update_type, has;
} shim_update;

static inline ndb_slice shim_slice(const void *data, size_t len) {
    ndb_slice slice = {(const uint8_t *)data, len};
    return slice;
}

static inline ndb_row shim_row(const void *network, size_t network_len, const void *table, size_t table_len, const void *key,
                               size_t key_len) {
    ndb_row row = {sizeof row, shim_slice(network, network_len), shim_slice(table, table_len), shim_slice(key, key_len), {0, 0}};
    return row;
}

static ndb_status shim_create(uint16_t kind, const void *config, size_t config_len, const uint8_t *seed, uint64_t now,
                              ndb_node *node, ndb_buffer *error) {
    ndb_options options = {0};
    options.size = sizeof options;
    options.kind = kind;
    options.config = shim_slice(config, config_len);
    options.seed = seed;
    options.now_ns = now;
    return ndb_create(&options, node, error);
}

static ndb_status shim_step(ndb_node node, uint64_t now, const void *inputs, size_t count, const uint8_t *arena, size_t len,
                            shim_stepped *out) {
    return ndb_step(node, now, (const ndb_input *)inputs, count, arena, len, &out->outputs, &out->count, &out->deadline);
}

static ndb_status shim_write(ndb_node node, uint64_t now, uint16_t how, const void *network, size_t network_len, const void *table,
                             size_t table_len, const void *key, size_t key_len, const void *value, size_t value_len) {
    ndb_row row = shim_row(network, network_len, table, table_len, key, key_len);
    row.value = shim_slice(value, value_len);
    return ndb_write(node, now, how, &row);
}

static ndb_status shim_read(ndb_node node, const void *network, size_t network_len, const void *table, size_t table_len,
                            const void *key, size_t key_len, uint8_t *buffer, size_t buffer_len, size_t *len) {
    ndb_row row = shim_row(network, network_len, table, table_len, key, key_len);
    return ndb_read_into(node, &row, buffer, buffer_len, len);
}

/* Cuts the next bytes off an arena. */
static inline ndb_slice shim_cut(const uint8_t **arena, size_t len) {
    ndb_slice slice = {*arena, len};
    *arena += len;
    return slice;
}

/* Updates with what they are in the arena, to be freed; NULL if there is no memory. */
static ndb_update *shim_updates(const uint8_t *arena, const shim_update *given, size_t count) {
    ndb_update *updates = (ndb_update *)calloc(count > 0 ? count : 1, sizeof *updates);
    if (updates == NULL) return NULL;
    for (size_t i = 0; i < count; i++) {
        updates[i].key = shim_cut(&arena, given[i].key);
        if (given[i].has & 1) updates[i].value = shim_cut(&arena, given[i].value);
        if (given[i].has & 2) updates[i].revision = shim_cut(&arena, given[i].revision);
        updates[i].version = shim_cut(&arena, given[i].version);
        updates[i].ttl_ns = given[i].ttl_ns;
        updates[i].update_type = given[i].update_type;
    }
    return updates;
}

static ndb_status shim_publish(ndb_node node, uint64_t now, const void *type, size_t type_len, const uint8_t *arena,
                               const shim_update *given, size_t count, size_t *taken) {
    ndb_update *updates = shim_updates(arena, given, count);
    ndb_status status;
    *taken = 0;
    if (updates == NULL) return NDB_SYSTEM;
    status = ndb_publish(node, now, shim_slice(type, type_len), updates, count, taken);
    free(updates);
    return status;
}

static ndb_status shim_sync_encode(const uint8_t *arena, const shim_update *given, size_t count, int32_t with, ndb_buffer *stream) {
    ndb_update *updates = shim_updates(arena, given, count);
    ndb_status status;
    if (updates == NULL) return NDB_SYSTEM;
    status = ndb_sync_encode(updates, count, with, stream);
    free(updates);
    return status;
}

#endif
