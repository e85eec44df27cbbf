//! The structures of the header. Those with a `size` may grow at their end; the others never change.
#![allow(non_camel_case_types, reason = "C's names")]

use std::ffi::c_void;

use networkdb_embed::Write;

/// A node: a number, never used twice in a process. 0 is none. A number that is not, or no longer, a node is answered with
/// `NDB_CLOSED`.
pub type ndb_node = u64;

/// Bytes of somebody else. `data` NULL: there are none; `len` is 0 then.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ndb_slice {
    /// The first byte.
    pub data: *const u8,
    /// How many.
    pub len: usize,
}

/// Bytes that belong to whoever was given them, until `ndb_buffer_free`. Zero it before the first use.
#[repr(C)]
#[derive(Debug)]
pub struct ndb_buffer {
    /// The first byte.
    pub data: *const u8,
    /// How many.
    pub len: usize,
    /// The library's.
    pub owner: *mut c_void,
}

/// An address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ndb_addr {
    /// The address in network order; of IPv4 the first four bytes.
    pub ip: [u8; 16],
    /// The scope of an IPv6 address, else 0.
    pub scope: u32,
    /// The port, in host order.
    pub port: u16,
    /// 4 or 6. 0: no address; of an OPEN, `data` is a host name to resolve.
    pub family: u8,
    /// 0.
    pub reserved: u8,
}

/// What a host tells a node.
/// cbindgen:rename-all=None
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ndb_input_kind {
    /// Nothing but time.
    NDB_INPUT_TICK = 0,
    /// A datagram arrived: `addr`, bytes.
    NDB_INPUT_DATAGRAM = 1,
    /// A stream was accepted: `stream` counts 1, 3, 5, …; `addr`: who dialled.
    NDB_INPUT_ACCEPTED = 2,
    /// A dial worked: `addr`: whom it reached.
    NDB_INPUT_OPENED = 3,
    /// Bytes of a stream arrived, cut anywhere.
    NDB_INPUT_RECEIVED = 4,
    /// So many more bytes (`len`) of a stream have left. They are no longer looked at by the host.
    NDB_INPUT_SENT = 5,
    /// The peer will send no more.
    NDB_INPUT_FINISHED = 6,
    /// The dial or stream broke; `code`: an `ndb_fault`. The stream is over.
    NDB_INPUT_FAILED = 7,
    /// The host holds nothing of this stream any more, and says no more of it. Once for each stream, the last word: it alone
    /// frees views of bytes not reported SENT, and `user`.
    NDB_INPUT_GONE = 8,
}

/// Why a dial or a stream broke: `code` of FAILED.
/// cbindgen:rename-all=None
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ndb_fault {
    /// Anything else.
    NDB_FAULT_OTHER = 0,
    /// Nobody listens there.
    NDB_FAULT_REFUSED = 1,
    /// No route, or a name that does not resolve.
    NDB_FAULT_UNREACHABLE = 2,
    /// No answer in time.
    NDB_FAULT_TIMED_OUT = 3,
    /// The other side dropped it.
    NDB_FAULT_RESET = 4,
    /// What secures the stream refused, or was refused.
    NDB_FAULT_UNTRUSTED = 5,
}

/// What a node asks of its host.
/// cbindgen:rename-all=None
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ndb_output_kind {
    /// Send a datagram: `addr`, `data`.
    NDB_OUTPUT_DATAGRAM = 0,
    /// Dial: `stream` (even), `addr`; of family 0, resolve the name in `data` and take the port of `addr`.
    NDB_OUTPUT_OPEN = 1,
    /// Send these bytes on a stream, and report them SENT.
    NDB_OUTPUT_WRITE = 2,
    /// Read a stream (`code` 1) or stop reading it (`code` 0). On at the start.
    NDB_OUTPUT_READING = 3,
    /// End a stream. `code` 0: once all is written send no more, and go on reading. `code` 1: drop it now.
    NDB_OUTPUT_CLOSE = 4,
}

/// One input of a step. Never grows.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ndb_input {
    /// An `ndb_input_kind`.
    pub kind: u16,
    /// Of FAILED an `ndb_fault`, else 0.
    pub code: u16,
    /// 0.
    pub reserved: u32,
    /// The stream, if it is about one.
    pub stream: u64,
    /// The host's own for this stream, from now on in every output about it; 0 changes nothing.
    pub user: u64,
    /// Where its bytes begin in the arena.
    pub offset: u64,
    /// How many they are; of SENT how many left.
    pub len: u64,
    /// An address, if it has one.
    pub addr: ndb_addr,
}

/// One output of a step. Never grows.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ndb_output {
    /// An `ndb_output_kind`.
    pub kind: u16,
    /// Of READING and CLOSE how.
    pub code: u16,
    /// 0.
    pub reserved: u32,
    /// The stream, if it is about one.
    pub stream: u64,
    /// What the host gave for this stream, 0 if nothing yet.
    pub user: u64,
    /// A view. Datagrams and names: until the next step. Bytes of a stream: until reported SENT, or until GONE.
    pub data: *const u8,
    /// How many bytes.
    pub len: u64,
    /// An address, if it has one.
    pub addr: ndb_addr,
}

const _: () =
    assert!(size_of::<ndb_addr>() == 24 && size_of::<ndb_input>() == 64 && size_of::<ndb_output>() == 64);

/// How severe a line of the log is.
/// cbindgen:rename-all=None
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ndb_log_level {
    /// A fault of the library.
    NDB_LOG_ERROR = 1,
    /// The built-in host started or ended.
    NDB_LOG_INFO = 3,
}

/// Takes a line of the log: `user` of the options, an `ndb_log_level`, the text. Comes on whichever thread is in the library,
/// with no lock held; it must return, and may not free its node.
pub type ndb_log = Option<extern "C" fn(user: *mut c_void, level: u32, text: *const u8, len: usize)>;

/// What a node is created from. Zero what is not set.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ndb_options {
    /// `sizeof(ndb_options)`.
    pub size: usize,
    /// An `ndb_kind`.
    pub kind: u16,
    /// 0.
    pub reserved: u16,
    /// 0.
    pub reserved2: u32,
    /// The settings: JSON if it begins with `{`, else TOML. UTF-8.
    pub config: ndb_slice,
    /// 32 bytes that decide everything left to chance; NULL: drawn from the operating system.
    pub seed: *const u8,
    /// The time: nanoseconds since an origin the host picked. With the built-in host: 0.
    pub now_ns: u64,
    /// Takes the log, or NULL.
    pub log: ndb_log,
    /// Handed to `log`.
    pub log_user: *mut c_void,
}

/// How a row is written.
/// cbindgen:rename-all=None
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ndb_how {
    /// Whether it is there or not.
    NDB_PUT = 0,
    /// It must not be there.
    NDB_CREATE = 1,
    /// It must be there.
    NDB_UPDATE = 2,
    /// It goes; `value` is not looked at.
    NDB_DELETE = 3,
}

impl ndb_how {
    /// The way of this number.
    pub(crate) fn of(number: u16) -> Option<Write> {
        [
            (Self::NDB_PUT, Write::Put),
            (Self::NDB_CREATE, Write::Create),
            (Self::NDB_UPDATE, Write::Update),
            (Self::NDB_DELETE, Write::Delete),
        ]
        .into_iter()
        .find_map(|(how, write)| (how as u16 == number).then_some(write))
    }
}

/// A row.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ndb_row {
    /// `sizeof(ndb_row)`.
    pub size: usize,
    /// Its network.
    pub network: ndb_slice,
    /// Its table.
    pub table: ndb_slice,
    /// Its key.
    pub key: ndb_slice,
    /// Its value.
    pub value: ndb_slice,
}

/// A key and value to be published. Never grows.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ndb_update {
    /// The path of the key.
    pub key: ndb_slice,
    /// Its value; `data` NULL deletes the key.
    pub value: ndb_slice,
    /// The datastore's revision; `data` NULL for none.
    pub revision: ndb_slice,
    /// `metadata.resourceVersion` of a v3 resource, or nothing.
    pub version: ndb_slice,
    /// Nanoseconds until the key expires, 0 for never.
    pub ttl_ns: i64,
    /// 0 unknown, 1 new, 2 updated, 3 deleted.
    pub update_type: u8,
    /// 0.
    pub reserved: [u8; 7],
}

/// An event, by `ndb_event_kind`, which says which fields it has. Made by the library only, so it may grow at its end.
#[repr(C)]
#[derive(Debug)]
pub struct ndb_event {
    /// An `ndb_event_kind`.
    pub kind: u16,
    /// 0.
    pub reserved: u16,
    /// An `ndb_status`: how a request ended.
    pub code: i32,
    /// The request, watch or stream it is about.
    pub id: u64,
    /// A number.
    pub number: u64,
    /// A small number.
    pub detail: u32,
    /// 0.
    pub reserved2: u32,
    /// An address, or family 0.
    pub addr: ndb_addr,
    /// A network.
    pub network: ndb_slice,
    /// A table, or a syncer type.
    pub table: ndb_slice,
    /// A key, or a name.
    pub key: ndb_slice,
    /// A value; `data` NULL for none.
    pub value: ndb_slice,
    /// The value before; `data` NULL for none.
    pub previous: ndb_slice,
    /// The datastore's revision.
    pub revision: ndb_slice,
    /// `metadata.resourceVersion` of a v3 resource.
    pub version: ndb_slice,
    /// For people, UTF-8.
    pub text: ndb_slice,
}

/// What carries a node's outputs in `ndb_pump`. All functions must be set; each gets `user` first, must not block, and may
/// give the node commands. Bytes of `write` stay until they are reported SENT or the stream GONE, all others for the call.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ndb_transport {
    /// `sizeof(ndb_transport)`.
    pub size: usize,
    /// Handed to each function.
    pub user: *mut c_void,
    /// Sends a datagram.
    pub send: Option<extern "C" fn(user: *mut c_void, to: *const ndb_addr, data: *const u8, len: usize)>,
    /// Dials; with an address of family 0, the host of this name at its port.
    pub open: Option<
        extern "C" fn(user: *mut c_void, stream: u64, to: *const ndb_addr, name: *const u8, name_len: usize),
    >,
    /// Sends bytes on a stream.
    pub write:
        Option<extern "C" fn(user: *mut c_void, stream: u64, stream_user: u64, data: *const u8, len: usize)>,
    /// Reads a stream (`on` 1) or stops reading it.
    pub reading: Option<extern "C" fn(user: *mut c_void, stream: u64, stream_user: u64, on: u32)>,
    /// Ends a stream: once all is written (`abort` 0), or now.
    pub close: Option<extern "C" fn(user: *mut c_void, stream: u64, stream_user: u64, abort: u32)>,
}
