/*
 * networkdb: machines of gossip and sync protocols, with their sockets or with yours.
 *
 * A node is created from a kind and a text of settings. Either the host steps it: `ndb_step` takes what arrived and the time,
 * and shows what is to be sent and when to step again; or the built-in host does, after `ndb_run`. Commands go in by
 * `ndb_command` in JSON and, where speed matters, by `ndb_write`, `ndb_read` and `ndb_publish`; events come out by
 * `ndb_next_event`, `ndb_wait_event`, or both after `ndb_event_fd` became readable.
 *
 * What holds for every function:
 *
 * - It answers an `ndb_status`, if it can fail. Unless it says otherwise, nothing has changed on an error.
 * - Bytes are a pointer and a length, never ended by a NUL. A NULL pointer with length 0 is empty.
 * - What goes in belongs to the caller, is read during the call and not kept. What comes out says until when it stands; only
 *   `ndb_buffer` and `ndb_event` belong to the caller, who frees them.
 * - Pointers are NULL where that is allowed, else valid, aligned and as long as said: this the library cannot see. NULL where it
 *   is not allowed, and lengths that cannot be, are `NDB_INVALID`. Places for answers may not overlap what goes in.
 * - Structures with a `size` may grow at their end: set it, zero the rest. A field this library does not know must be zero.
 * - Any thread may call at any time. Only what drives a node (`ndb_step`, `ndb_pump`, the built-in host) is exclusive: a second one
 *   is told `NDB_BUSY`. A node's own lock is held for as long as its machine computes.
 * - After `fork` the child has none of its parent's nodes (`NDB_CLOSED`), and may create its own.
 * - A fault inside of the library (a panic) ends the call with `NDB_POISONED`, and the node: then only `ndb_free` is of use.
 * - Link with `-lnetworkdb`; the static library also with `-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc` (`pkg-config --static`).
 */

#ifndef NETWORKDB_H
#define NETWORKDB_H

/* Made from ffi/src by the test `header`: do not edit. */

#include <stddef.h>
#include <stdint.h>

/*
 The version of the library this header came with.
 */
#define NDB_VERSION_MAJOR 0

/*
 See `NDB_VERSION_MAJOR`.
 */
#define NDB_VERSION_MINOR 1

/*
 See `NDB_VERSION_MAJOR`.
 */
#define NDB_VERSION_PATCH 0

/*
 The ABI this header describes: the number in the library's SONAME above the last 16 bits, and below them one that grows with
 each addition. A library serves programs built for its upper number and a lower number that is not above its own.
 */
#define NDB_ABI_VERSION 3

/*
 No deadline, or: wait for ever.
 */
#define NDB_NEVER UINT64_MAX

/*
 `ndb_features`: this build has its own host, `ndb_run`.
 */
#define NDB_FEATURE_HOSTED 1

/*
 `ndb_features`: this platform has descriptors to wait for, `ndb_wake_fd` and `ndb_event_fd`.
 */
#define NDB_FEATURE_DESCRIPTORS 2

/*
 How a call or a request ended. Numbers never change their meaning; new ones may come.

 Below 20: about the call. From 20 on: about what was asked for. All but `NDB_OK` and those that say otherwise leave
 everything as it was.
 */
enum ndb_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /*
     It worked.
     */
    NDB_OK = 0,
    /*
     An argument is wrong: a null pointer, a length beyond its buffer, a number nobody knows.
     */
    NDB_INVALID = 1,
    /*
     The configuration cannot be read or a setting cannot work.
     */
    NDB_CONFIG = 2,
    /*
     This kind of node, this build or this platform cannot do that.
     */
    NDB_UNSUPPORTED = 3,
    /*
     Another thread drives this node: a step, a pump or the built-in host.
     */
    NDB_BUSY = 4,
    /*
     There is no such node: it was closed, or never was.
     */
    NDB_CLOSED = 5,
    /*
     A fault of this library ended an earlier call on this node (a panic). It can only be closed.
     */
    NDB_POISONED = 6,
    /*
     Nothing waits.
     */
    NDB_EMPTY = 7,
    /*
     The buffer is too small; the size it needs was told. Nothing was consumed.
     */
    NDB_TOO_SMALL = 8,
    /*
     A stream id that cannot be: even and never opened, or odd and accepted before, or out of turn.
     */
    NDB_STREAM = 9,
    /*
     The operating system refused.
     */
    NDB_SYSTEM = 10,
    /*
     The request is not JSON, not a command of this kind of node, or has wrong fields.
     */
    NDB_REQUEST = 11,
    /*
     The row is there already.
     */
    NDB_EXISTS = 20,
    /*
     There is no such row, network, watch or connection.
     */
    NDB_MISSING = 21,
    /*
     The row has been deleted.
     */
    NDB_DELETED = 22,
    /*
     The row's owner has failed; it is back when the owner is.
     */
    NDB_HIDDEN = 23,
    /*
     It could not be sent: too many bytes.
     */
    NDB_TOO_LARGE = 24,
    /*
     The network is joined already.
     */
    NDB_ALREADY_JOINED = 25,
    /*
     The network was never joined. Leaving: own rows in it have become tombstones all the same.
     */
    NDB_NOT_JOINED = 26,
    /*
     Nobody could be reached.
     */
    NDB_UNREACHABLE = 27,
    /*
     Somebody was reached, but the others could not be told in time.
     */
    NDB_UNANNOUNCED = 28,
    /*
     A key has a wrong length, is not installed, is in use, or the node runs without keys.
     */
    NDB_KEY = 29,
    /*
     What was sent was not taken over by the other side.
     */
    NDB_UNDELIVERED = 30,
    /*
     The bytes are not of this format.
     */
    NDB_MALFORMED = 31,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ndb_status ndb_status;
#else
typedef int32_t ndb_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 What a host tells a node.
 */
enum ndb_input_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint16_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /*
     Nothing but time.
     */
    NDB_INPUT_TICK = 0,
    /*
     A datagram arrived: `addr`, bytes.
     */
    NDB_INPUT_DATAGRAM = 1,
    /*
     A stream was accepted: `stream` counts 1, 3, 5, …; `addr`: who dialled.
     */
    NDB_INPUT_ACCEPTED = 2,
    /*
     A dial worked: `addr`: whom it reached.
     */
    NDB_INPUT_OPENED = 3,
    /*
     Bytes of a stream arrived, cut anywhere.
     */
    NDB_INPUT_RECEIVED = 4,
    /*
     So many more bytes (`len`) of a stream have left. They are no longer looked at by the host.
     */
    NDB_INPUT_SENT = 5,
    /*
     The peer will send no more.
     */
    NDB_INPUT_FINISHED = 6,
    /*
     The dial or stream broke; `code`: an `ndb_fault`. The stream is over.
     */
    NDB_INPUT_FAILED = 7,
    /*
     The host holds nothing of this stream any more, and says no more of it. Once for each stream, the last word: it alone
     frees views of bytes not reported SENT, and `user`.
     */
    NDB_INPUT_GONE = 8,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ndb_input_kind ndb_input_kind;
#else
typedef uint16_t ndb_input_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 Why a dial or a stream broke: `code` of FAILED.
 */
enum ndb_fault
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint16_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /*
     Anything else.
     */
    NDB_FAULT_OTHER = 0,
    /*
     Nobody listens there.
     */
    NDB_FAULT_REFUSED = 1,
    /*
     No route, or a name that does not resolve.
     */
    NDB_FAULT_UNREACHABLE = 2,
    /*
     No answer in time.
     */
    NDB_FAULT_TIMED_OUT = 3,
    /*
     The other side dropped it.
     */
    NDB_FAULT_RESET = 4,
    /*
     What secures the stream refused, or was refused.
     */
    NDB_FAULT_UNTRUSTED = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ndb_fault ndb_fault;
#else
typedef uint16_t ndb_fault;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 What a node asks of its host.
 */
enum ndb_output_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint16_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /*
     Send a datagram: `addr`, `data`.
     */
    NDB_OUTPUT_DATAGRAM = 0,
    /*
     Dial: `stream` (even), `addr`; of family 0, resolve the name in `data` and take the port of `addr`.
     */
    NDB_OUTPUT_OPEN = 1,
    /*
     Send these bytes on a stream, and report them SENT.
     */
    NDB_OUTPUT_WRITE = 2,
    /*
     Read a stream (`code` 1) or stop reading it (`code` 0). On at the start.
     */
    NDB_OUTPUT_READING = 3,
    /*
     End a stream. `code` 0: once all is written send no more, and go on reading. `code` 1: drop it now.
     */
    NDB_OUTPUT_CLOSE = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ndb_output_kind ndb_output_kind;
#else
typedef uint16_t ndb_output_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 How severe a line of the log is.
 */
enum ndb_log_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /*
     A fault of the library.
     */
    NDB_LOG_ERROR = 1,
    /*
     The built-in host started or ended.
     */
    NDB_LOG_INFO = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ndb_log_level ndb_log_level;
#else
typedef uint32_t ndb_log_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 How a row is written.
 */
enum ndb_how
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint16_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /*
     Whether it is there or not.
     */
    NDB_PUT = 0,
    /*
     It must not be there.
     */
    NDB_CREATE = 1,
    /*
     It must be there.
     */
    NDB_UPDATE = 2,
    /*
     It goes; `value` is not looked at.
     */
    NDB_DELETE = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ndb_how ndb_how;
#else
typedef uint16_t ndb_how;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 What an event tells. Numbers never change their meaning; new ones may come.
 */
enum ndb_event_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint16_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /*
     A join of the cluster is over. `id`: the request; `code`: `NDB_OK`, `NDB_UNREACHABLE` or `NDB_UNANNOUNCED`; `number`: seeds
     reached; `text`: why others were not.
     */
    NDB_EVENT_JOINED = 1,
    /*
     A NetworkDB node has left: the host may stop. `id`: the request.
     */
    NDB_EVENT_LEFT = 2,
    /*
     The news of a member's leave or of its new meta has spread. `id`: the request; `code`: `NDB_OK` or `NDB_UNANNOUNCED`.
     */
    NDB_EVENT_SPREAD = 3,
    /*
     A reliable message is over. `id`: the request; `code`: `NDB_OK` or `NDB_UNDELIVERED`; `text`: why.
     */
    NDB_EVENT_SENT = 4,
    /*
     So many (`number`) older events were dropped because nobody took them.
     */
    NDB_EVENT_MISSED = 5,
    /*
     Something to look at. `text`: what; `addr`: from where, if known.
     */
    NDB_EVENT_WARNING = 6,
    /*
     A join of a network is over. `id`: the request; `network`; `number`: 1 if a node began to send its rows.
     */
    NDB_EVENT_NETWORK_JOINED = 16,
    /*
     A node of the cluster takes part. `key`: its name; `addr`.
     */
    NDB_EVENT_NODE_ACTIVE = 17,
    /*
     A node of the cluster does not answer. `key`: its name; `addr`.
     */
    NDB_EVENT_NODE_FAILED = 18,
    /*
     A node of the cluster said goodbye. `key`: its name; `addr`.
     */
    NDB_EVENT_NODE_LEFT = 19,
    /*
     A node joined a network. `network`; `key`: the node's name.
     */
    NDB_EVENT_PEER_JOINED = 20,
    /*
     A node left a network. `network`; `key`: the node's name.
     */
    NDB_EVENT_PEER_LEFT = 21,
    /*
     No other node answers.
     */
    NDB_EVENT_ALONE = 22,
    /*
     A watched row is there. `id`: the watch; `network`, `table`, `key`, `value`.
     */
    NDB_EVENT_ROW_CREATED = 23,
    /*
     A watched row has a new value. `id`: the watch; `network`, `table`, `key`, `value`, `previous`.
     */
    NDB_EVENT_ROW_UPDATED = 24,
    /*
     A watched row is gone. `id`: the watch; `network`, `table`, `key`, `previous`.
     */
    NDB_EVENT_ROW_DELETED = 25,
    /*
     The watch (`id`) lagged behind: whatever it told is void, and the rows there are follow as created.
     */
    NDB_EVENT_RESYNC = 26,
    /*
     A member came. `key`: its name; `addr`; `value`: its meta.
     */
    NDB_EVENT_MEMBER_JOINED = 32,
    /*
     A member's meta changed. `key`: its name; `addr`; `value`: its meta.
     */
    NDB_EVENT_MEMBER_UPDATED = 33,
    /*
     A member went. `key`: its name; `addr`; `number`: 2 dead, 3 left.
     */
    NDB_EVENT_MEMBER_GONE = 34,
    /*
     A user message arrived. `value`: its bytes.
     */
    NDB_EVENT_MESSAGE = 35,
    /*
     Two members claim one name. `key`: the name; `addr`: the other one's address.
     */
    NDB_EVENT_CONFLICT = 36,
    /*
     A client is served. `id`: its stream; `addr`; `key`: its host; `table`: its syncer type; `value`: its version;
     `text`: what it says of itself.
     */
    NDB_EVENT_CLIENT_JOINED = 48,
    /*
     A connection ended. `id`: its stream; `addr`; `text`: why.
     */
    NDB_EVENT_CLIENT_CLOSED = 49,
    /*
     The last connection has ended since the drain began.
     */
    NDB_EVENT_DRAINED = 50,
    /*
     A server could not be reached. `text`: where and why.
     */
    NDB_EVENT_UNREACHED = 64,
    /*
     A server was reached. `addr`; `value`: its version; `table`: its syncer type.
     */
    NDB_EVENT_CONNECTED = 65,
    /*
     How far the server's datastore is read. `number`: 0 wait, 1 resync, 2 in sync.
     */
    NDB_EVENT_STATUS = 66,
    /*
     A key has a value. `key`, `value`, `revision`, `version`; `number`: its time to live in nanoseconds, 0 for ever;
     `detail`: 0 unknown, 1 new, 2 updated.
     */
    NDB_EVENT_UPDATE = 67,
    /*
     A key is gone. `key`, `revision`, `version`; `detail`: 3.
     */
    NDB_EVENT_DELETION = 68,
    /*
     The connection has ended; another will be made. `text`: why.
     */
    NDB_EVENT_DISCONNECTED = 69,
    /*
     There will be no more connections and no more events. `text`: why.
     */
    NDB_EVENT_FINISHED = 70,
    /*
     A codec read a client's hello. `key`: its host; `text`: what it says of itself; `value`: its version; `table`: its syncer type.
     */
    NDB_EVENT_CLIENT_HELLO = 80,
    /*
     A codec read a server's hello. `value`: its version; `table`: its syncer type.
     */
    NDB_EVENT_SERVER_HELLO = 81,
    /*
     A codec read that another stream begins here. `key`: its compression, or nothing; `text`: why.
     */
    NDB_EVENT_DECODER_RESTART = 82,
    /*
     A codec read that the client is ready for the new stream.
     */
    NDB_EVENT_ACK = 83,
    /*
     A codec read a ping.
     */
    NDB_EVENT_PING = 84,
    /*
     A codec read a pong.
     */
    NDB_EVENT_PONG = 85,
    /*
     A codec read updates. `number`: how many, each of which follows as an update or a deletion.
     */
    NDB_EVENT_UPDATES = 86,
    /*
     A codec read an envelope without a message.
     */
    NDB_EVENT_NIL = 87,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ndb_event_kind ndb_event_kind;
#else
typedef uint16_t ndb_event_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 The kinds of nodes. Numbers never change their meaning; new ones may come.
 */
enum ndb_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint16_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /*
     A NetworkDB node: tables by network, spread by gossip.
     */
    NDB_KIND_NETWORK_DB = 1,
    /*
     Membership alone.
     */
    NDB_KIND_MEMBERLIST = 2,
    /*
     A server of Typha's sync protocol.
     */
    NDB_KIND_SYNC_SERVER = 3,
    /*
     A client of Typha's sync protocol.
     */
    NDB_KIND_SYNC_CLIENT = 4,
    /*
     The formats alone: it has commands, and no inputs, outputs or events.
     */
    NDB_KIND_CODEC = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ndb_kind ndb_kind;
#else
typedef uint16_t ndb_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 Bytes of somebody else. `data` NULL: there are none; `len` is 0 then.
 */
typedef struct {
    /*
     The first byte.
     */
    const uint8_t *data;
    /*
     How many.
     */
    size_t len;
} ndb_slice;

/*
 Takes a line of the log: `user` of the options, an `ndb_log_level`, the text. Comes on whichever thread is in the library,
 with no lock held; it must return, and may not free its node.
 */
typedef void (*ndb_log)(void *user, uint32_t level, const uint8_t *text, size_t len);

/*
 What a node is created from. Zero what is not set.
 */
typedef struct {
    /*
     `sizeof(ndb_options)`.
     */
    size_t size;
    /*
     An `ndb_kind`.
     */
    uint16_t kind;
    /*
     0.
     */
    uint16_t reserved;
    /*
     0.
     */
    uint32_t reserved2;
    /*
     The settings: JSON if it begins with `{`, else TOML. UTF-8.
     */
    ndb_slice config;
    /*
     32 bytes that decide everything left to chance; NULL: drawn from the operating system.
     */
    const uint8_t *seed;
    /*
     The time: nanoseconds since an origin the host picked. With the built-in host: 0.
     */
    uint64_t now_ns;
    /*
     Takes the log, or NULL.
     */
    ndb_log log;
    /*
     Handed to `log`.
     */
    void *log_user;
} ndb_options;

/*
 A node: a number, never used twice in a process. 0 is none. A number that is not, or no longer, a node is answered with
 `NDB_CLOSED`.
 */
typedef uint64_t ndb_node;

/*
 Bytes that belong to whoever was given them, until `ndb_buffer_free`. Zero it before the first use.
 */
typedef struct {
    /*
     The first byte.
     */
    const uint8_t *data;
    /*
     How many.
     */
    size_t len;
    /*
     The library's.
     */
    void *owner;
} ndb_buffer;

/*
 An address.
 */
typedef struct {
    /*
     The address in network order; of IPv4 the first four bytes.
     */
    uint8_t ip[16];
    /*
     The scope of an IPv6 address, else 0.
     */
    uint32_t scope;
    /*
     The port, in host order.
     */
    uint16_t port;
    /*
     4 or 6. 0: no address; of an OPEN, `data` is a host name to resolve.
     */
    uint8_t family;
    /*
     0.
     */
    uint8_t reserved;
} ndb_addr;

/*
 One input of a step. Never grows.
 */
typedef struct {
    /*
     An `ndb_input_kind`.
     */
    uint16_t kind;
    /*
     Of FAILED an `ndb_fault`, else 0.
     */
    uint16_t code;
    /*
     0.
     */
    uint32_t reserved;
    /*
     The stream, if it is about one.
     */
    uint64_t stream;
    /*
     The host's own for this stream, from now on in every output about it; 0 changes nothing.
     */
    uint64_t user;
    /*
     Where its bytes begin in the arena.
     */
    uint64_t offset;
    /*
     How many they are; of SENT how many left.
     */
    uint64_t len;
    /*
     An address, if it has one.
     */
    ndb_addr addr;
} ndb_input;

/*
 One output of a step. Never grows.
 */
typedef struct {
    /*
     An `ndb_output_kind`.
     */
    uint16_t kind;
    /*
     Of READING and CLOSE how.
     */
    uint16_t code;
    /*
     0.
     */
    uint32_t reserved;
    /*
     The stream, if it is about one.
     */
    uint64_t stream;
    /*
     What the host gave for this stream, 0 if nothing yet.
     */
    uint64_t user;
    /*
     A view. Datagrams and names: until the next step. Bytes of a stream: until reported SENT, or until GONE.
     */
    const uint8_t *data;
    /*
     How many bytes.
     */
    uint64_t len;
    /*
     An address, if it has one.
     */
    ndb_addr addr;
} ndb_output;

/*
 What carries a node's outputs in `ndb_pump`. All functions must be set; each gets `user` first, must not block, and may
 give the node commands. Bytes of `write` stay until they are reported SENT or the stream GONE, all others for the call.
 */
typedef struct {
    /*
     `sizeof(ndb_transport)`.
     */
    size_t size;
    /*
     Handed to each function.
     */
    void *user;
    /*
     Sends a datagram.
     */
    void (*send)(void *user, const ndb_addr *to, const uint8_t *data, size_t len);
    /*
     Dials; with an address of family 0, the host of this name at its port.
     */
    void (*open)(void *user, uint64_t stream, const ndb_addr *to, const uint8_t *name, size_t name_len);
    /*
     Sends bytes on a stream.
     */
    void (*write)(void *user, uint64_t stream, uint64_t stream_user, const uint8_t *data, size_t len);
    /*
     Reads a stream (`on` 1) or stops reading it.
     */
    void (*reading)(void *user, uint64_t stream, uint64_t stream_user, uint32_t on);
    /*
     Ends a stream: once all is written (`abort` 0), or now.
     */
    void (*close)(void *user, uint64_t stream, uint64_t stream_user, uint32_t abort);
} ndb_transport;

/*
 A row.
 */
typedef struct {
    /*
     `sizeof(ndb_row)`.
     */
    size_t size;
    /*
     Its network.
     */
    ndb_slice network;
    /*
     Its table.
     */
    ndb_slice table;
    /*
     Its key.
     */
    ndb_slice key;
    /*
     Its value.
     */
    ndb_slice value;
} ndb_row;

/*
 A key and value to be published. Never grows.
 */
typedef struct {
    /*
     The path of the key.
     */
    ndb_slice key;
    /*
     Its value; `data` NULL deletes the key.
     */
    ndb_slice value;
    /*
     The datastore's revision; `data` NULL for none.
     */
    ndb_slice revision;
    /*
     `metadata.resourceVersion` of a v3 resource, or nothing.
     */
    ndb_slice version;
    /*
     Nanoseconds until the key expires, 0 for never.
     */
    int64_t ttl_ns;
    /*
     0 unknown, 1 new, 2 updated, 3 deleted.
     */
    uint8_t update_type;
    /*
     0.
     */
    uint8_t reserved[7];
} ndb_update;

/*
 An event, by `ndb_event_kind`, which says which fields it has. Made by the library only, so it may grow at its end.
 */
typedef struct {
    /*
     An `ndb_event_kind`.
     */
    uint16_t kind;
    /*
     0.
     */
    uint16_t reserved;
    /*
     An `ndb_status`: how a request ended.
     */
    int32_t code;
    /*
     The request, watch or stream it is about.
     */
    uint64_t id;
    /*
     A number.
     */
    uint64_t number;
    /*
     A small number.
     */
    uint32_t detail;
    /*
     0.
     */
    uint32_t reserved2;
    /*
     An address, or family 0.
     */
    ndb_addr addr;
    /*
     A network.
     */
    ndb_slice network;
    /*
     A table, or a syncer type.
     */
    ndb_slice table;
    /*
     A key, or a name.
     */
    ndb_slice key;
    /*
     A value; `data` NULL for none.
     */
    ndb_slice value;
    /*
     The value before; `data` NULL for none.
     */
    ndb_slice previous;
    /*
     The datastore's revision.
     */
    ndb_slice revision;
    /*
     `metadata.resourceVersion` of a v3 resource.
     */
    ndb_slice version;
    /*
     For people, UTF-8.
     */
    ndb_slice text;
} ndb_event;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 The ABI of the loaded library; compare it with `NDB_ABI_VERSION`. Never fails.
 */
uint32_t ndb_abi_version(void);

/*
 The version of the loaded library as text. It lives for ever. Never fails.
 */
ndb_slice ndb_version(void);

/*
 What the loaded library can do: bits `NDB_FEATURE_…`. Never fails.
 */
uint32_t ndb_features(void);

/*
 What a status means, in a few words that live for ever. Of a number that is none: "unknown status". Never fails.
 */
ndb_slice ndb_status_text(int32_t status);

/*
 Creates a node and tells its number. The options and what they point to are read and not kept, but for `log_user`.

 Does not block, unless the settings name a host's socket (`bind`), which is then bound. Any thread.

 `NDB_CONFIG`, `NDB_SYSTEM`, `NDB_UNSUPPORTED`: `error`, if it is not NULL, is given the reason as text, to be freed. `NDB_INVALID`.
 */
ndb_status ndb_create(const ndb_options *options,
                      ndb_node *node,
                      ndb_buffer *error);

/*
 Ends a node: its sockets close, whoever waits is told `NDB_CLOSED`, its descriptors go. Says no goodbye to others: that is
 the command `leave`. Views and descriptors of it may not be used any more, so writers must have ended.

 Waits for the built-in host's thread, if it runs. Any thread but one of its callbacks.

 `NDB_CLOSED` if there is no such node.
 */
ndb_status ndb_free(ndb_node node);

/*
 Gives a node inputs, or with none of them the time, and shows what is to be done.

 Input bytes are offsets into one arena; inputs and arena may be reused when the call returns. `*out` belongs to the library
 and stands until the next step of this node; how long its views stand is said at `ndb_output`. `*deadline_ns`: when to step
 again at the latest, `NDB_NEVER` if only on input or waking. Stepping earlier or twice does no harm; time never runs back.

 Any thread, one at a time: a second one is told `NDB_BUSY`. Does not block for more than a command of another thread takes.

 `NDB_STREAM`, `NDB_INVALID`: an input is wrong; none was taken. `NDB_UNSUPPORTED`: its settings have `tls`, which is the built-in
 host's. `NDB_CLOSED`, `NDB_POISONED`.
 */
ndb_status ndb_step(ndb_node node,
                    uint64_t now_ns,
                    const ndb_input *inputs,
                    size_t input_count,
                    const uint8_t *arena,
                    size_t arena_len,
                    const ndb_output **out,
                    size_t *out_count,
                    uint64_t *deadline_ns);

/*
 A step that lays its outputs one behind the other, for languages to which pointers are foreign: each is an `ndb_output` whose
 `data` is NULL, and then its `len` bytes. Nothing lies between them, so headers are not aligned: copy one out to look at it.

 `*out` belongs to the library and stands until the next step of this node, of either kind. Bytes of streams are in there as a
 copy, so nothing points to them later: report them SENT all the same, since the node writes no more than a window ahead, and the
 stream GONE, since until then its `user` is kept. See `ndb_step` for all else; the two may take turns.
 */
ndb_status ndb_step_flat(ndb_node node,
                         uint64_t now_ns,
                         const ndb_input *inputs,
                         size_t input_count,
                         const uint8_t *arena,
                         size_t arena_len,
                         const uint8_t **out,
                         size_t *out_len,
                         uint64_t *deadline_ns);

/*
 A step that carries out what is to be done by calling `transport`: for single-threaded event loops. See `ndb_step` for all but
 the outputs, and `ndb_transport` for the calls, which come on this thread before the function returns.
 */
ndb_status ndb_pump(ndb_node node,
                    uint64_t now_ns,
                    const ndb_input *inputs,
                    size_t input_count,
                    const uint8_t *arena,
                    size_t arena_len,
                    const ndb_transport *transport,
                    uint64_t *deadline_ns);

/*
 Starts the built-in host on a thread of its own: it drives the node on the socket its settings name (`bind`) until `ndb_free`. From
 now on the times that commands bring are not looked at. Waits until the thread is ready. Any thread.

 `NDB_UNSUPPORTED`: a build without a host, or settings without `bind`. `NDB_BUSY`: something drives it already. `NDB_SYSTEM`,
 `NDB_CLOSED`, `NDB_POISONED`.
 */
ndb_status ndb_run(ndb_node node);

/*
 Does what a request asks for: a JSON object such as `{"op":"join","members":["10.0.0.1:7946"]}`. `answer` is given the
 answer, a JSON object, to be freed; on an error `{"error":"…"}`. It may be NULL.

 Any thread. Does not block: what takes time ends in an event, whose `id` is the answer's `request`.

 `NDB_REQUEST`, or what the command says. `NDB_CLOSED`, `NDB_POISONED`, `NDB_INVALID`.
 */
ndb_status ndb_command(ndb_node node,
                       uint64_t now_ns,
                       const uint8_t *request,
                       size_t request_len,
                       ndb_buffer *answer);

/*
 Writes or deletes a row of a NetworkDB node; `how` is an `ndb_how`. The row is read and not kept.

 Any thread; does not block. `NDB_EXISTS`, `NDB_MISSING`, `NDB_TOO_LARGE`, `NDB_UNSUPPORTED` (another kind of node), `NDB_CLOSED`,
 `NDB_POISONED`, `NDB_INVALID`: nothing has changed.
 */
ndb_status ndb_write(ndb_node node,
                     uint64_t now_ns,
                     uint16_t how,
                     const ndb_row *row);

/*
 Reads the row of a NetworkDB node that `row` names; its own `value` is not looked at. `value` is given the value, to be freed.

 Any thread; does not block. `NDB_MISSING`, `NDB_DELETED`, `NDB_HIDDEN`, `NDB_UNSUPPORTED`, `NDB_CLOSED`, `NDB_POISONED`,
 `NDB_INVALID`.
 */
ndb_status ndb_read(ndb_node node,
                    const ndb_row *row,
                    ndb_buffer *value);

/*
 Copies the value of a row into the caller's buffer and tells its length in `*len`. `NDB_TOO_SMALL`: nothing was copied. For all
 else see `ndb_read`.
 */
ndb_status ndb_read_into(ndb_node node,
                         const ndb_row *row,
                         uint8_t *buffer,
                         size_t buffer_len,
                         size_t *len);

/*
 Publishes updates to the clients of a syncer type of a sync server. They are read and not kept. `*taken`, if it is not NULL, is
 told how many were taken: on an error the first that was not is why.

 Any thread; does not block. `NDB_MISSING`: no such syncer type; `NDB_TOO_LARGE`; `NDB_UNSUPPORTED`, `NDB_CLOSED`, `NDB_POISONED`,
 `NDB_INVALID`.
 */
ndb_status ndb_publish(ndb_node node,
                       uint64_t now_ns,
                       ndb_slice syncer_type,
                       const ndb_update *updates,
                       size_t update_count,
                       size_t *taken);

/*
 Gives a codec the next bytes of the one stream of the sync protocol that it follows: from the first of a connection on, cut
 anywhere, through restarts and snappy. The messages that end in them wait as events when this returns; take them, for they are
 kept until then. `from_client` 1: a client sends it, and not a server; said with the first bytes.

 Any thread; does not block. `NDB_MALFORMED`: it is no such stream, which ends it, and `error`, if it is not NULL, is given the reason
 as text, to be freed; so does each further call. `NDB_UNSUPPORTED` (another kind of node), `NDB_CLOSED`, `NDB_POISONED`, `NDB_INVALID`.
 */
ndb_status ndb_sync_decode(ndb_node node,
                           const uint8_t *data,
                           size_t len,
                           uint32_t from_client,
                           ndb_buffer *error);

/*
 Writes a stream of the sync protocol with updates in it, if there are any, and then a status unless that is negative: what a server
 sends after the hellos. The updates are read and not kept. `stream` is given the bytes, to be freed.

 Any thread; does not block. `NDB_INVALID`.
 */
ndb_status ndb_sync_encode(const ndb_update *updates,
                           size_t update_count,
                           int32_t status,
                           ndb_buffer *stream);

/*
 Takes the next event, which then belongs to the caller, who frees it with `ndb_event_free`. It may outlive the node. To take events
 may make room and so leave work: step again, or wait for `ndb_wake_fd`.

 Any thread; does not block. `NDB_EMPTY` if none waits. `NDB_CLOSED`, `NDB_POISONED`, `NDB_INVALID`. On all of them `*event` is NULL.
 */
ndb_status ndb_next_event(ndb_node node,
                          ndb_event **event);

/*
 Takes the next event and waits for it for so long; `NDB_NEVER`: for ever. `NDB_EMPTY` if none came. `NDB_CLOSED` at once if
 the node is freed meanwhile. For all else see `ndb_next_event`.
 */
ndb_status ndb_wait_event(ndb_node node,
                          uint64_t timeout_ns,
                          ndb_event **event);

/*
 Frees an event. NULL does nothing. Once for each event. Any thread; does not block, never fails.
 */
void ndb_event_free(ndb_event *event);

/*
 A descriptor that is readable when a command left work: step. The library reads and clears it; the caller only polls it, and does
 not close it. It goes with the node. Always the same for a node.

 Any thread; does not block. `NDB_UNSUPPORTED` where there are no such descriptors: command from the thread that steps.
 `NDB_SYSTEM`, `NDB_CLOSED`, `NDB_POISONED`, `NDB_INVALID`.
 */
ndb_status ndb_wake_fd(ndb_node node,
                       int32_t *fd);

/*
 A descriptor that is readable while an event waits, and perhaps a little longer: take events until `NDB_EMPTY`. For all else see
 `ndb_wake_fd`; without descriptors there is `ndb_wait_event`.
 */
ndb_status ndb_event_fd(ndb_node node,
                        int32_t *fd);

/*
 Frees what a buffer owns and empties it. NULL and an empty one do nothing. Any thread; does not block, never fails.
 */
void ndb_buffer_free(ndb_buffer *buffer);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* NETWORKDB_H */
