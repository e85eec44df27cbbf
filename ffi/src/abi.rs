//! Every exported function, and all unsafe code of this crate.
//!
//! A function checks its pointers, turns what they name into slices, and hands on to safe code inside `guarded`, which stops
//! panics at the border. What a caller can get wrong without being noticed (a dangling pointer, a wrong length) stands in the
//! header.
#![allow(clippy::missing_safety_doc, reason = "said once for all functions, at the top of the header")]

use std::{ffi::c_void, ptr::null_mut, slice, time::Duration};

use bytes::Bytes;
use networkdb_embed::{
    Code, EntryKey, Error, Instant, Kind, Node, Revision, SerializedUpdate, UpdateType, sync_stream,
};

use crate::{
    given::{EMPTY, Owned, error_json, give, view},
    guard::{guarded, on},
    held::Held,
    nodes::{self, Log},
    step::{Carrier, Given},
    types::{
        ndb_buffer, ndb_event, ndb_how, ndb_input, ndb_log, ndb_log_level, ndb_node, ndb_options, ndb_output,
        ndb_row, ndb_slice, ndb_transport, ndb_update,
    },
};

/// The version of the library this header came with.
pub const NDB_VERSION_MAJOR: u32 = 0;
/// See `NDB_VERSION_MAJOR`.
pub const NDB_VERSION_MINOR: u32 = 1;
/// See `NDB_VERSION_MAJOR`.
pub const NDB_VERSION_PATCH: u32 = 0;
/// The ABI this header describes: the number in the library's SONAME above the last 16 bits, and below them one that grows with
/// each addition. A library serves programs built for its upper number and a lower number that is not above its own.
pub const NDB_ABI_VERSION: u32 = 3;
/// No deadline, or: wait for ever.
pub const NDB_NEVER: u64 = u64::MAX;
/// `ndb_features`: this build has its own host, `ndb_run`.
pub const NDB_FEATURE_HOSTED: u32 = 1;
/// `ndb_features`: this platform has descriptors to wait for, `ndb_wake_fd` and `ndb_event_fd`.
pub const NDB_FEATURE_DESCRIPTORS: u32 = 2;

// SAFETY: the view points into bytes that its `Held` keeps, and moves between threads only with it.
unsafe impl Send for ndb_output {}

/// The ABI of the loaded library; compare it with `NDB_ABI_VERSION`. Never fails.
#[unsafe(no_mangle)]
pub extern "C" fn ndb_abi_version() -> u32 {
    NDB_ABI_VERSION
}

/// The version of the loaded library as text. It lives for ever. Never fails.
#[unsafe(no_mangle)]
pub extern "C" fn ndb_version() -> ndb_slice {
    view(env!("CARGO_PKG_VERSION").as_bytes())
}

/// What the loaded library can do: bits `NDB_FEATURE_…`. Never fails.
#[unsafe(no_mangle)]
pub extern "C" fn ndb_features() -> u32 {
    let hosted = if cfg!(feature = "hosted") { NDB_FEATURE_HOSTED } else { 0 };
    let descriptors = if cfg!(target_os = "linux") { NDB_FEATURE_DESCRIPTORS } else { 0 };
    hosted | descriptors
}

/// What a status means, in a few words that live for ever. Of a number that is none: "unknown status". Never fails.
#[unsafe(no_mangle)]
pub extern "C" fn ndb_status_text(status: i32) -> ndb_slice {
    view(Code::from_number(status).map_or("unknown status", Code::text).as_bytes())
}

/// Creates a node and tells its number. The options and what they point to are read and not kept, but for `log_user`.
///
/// Does not block, unless the settings name a host's socket (`bind`), which is then bound. Any thread.
///
/// `NDB_CONFIG`, `NDB_SYSTEM`, `NDB_UNSUPPORTED`: `error`, if it is not NULL, is given the reason as text, to be freed. `NDB_INVALID`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_create(
    options: *const ndb_options,
    node: *mut ndb_node,
    error: *mut ndb_buffer,
) -> Code {
    // SAFETY: NULL or valid, says the caller.
    let (options, node, error) = unsafe { (sized(options), node.as_mut(), error.as_mut()) };
    guarded(|| {
        let node = node.ok_or(Code::Invalid)?;
        *node = 0;
        // SAFETY: the texts of the options are valid for the call, says the caller.
        let created = unsafe { create(&options?) };
        *node = created.map_err(|reason| give(error, reason.text.into_bytes().into(), reason.code))?;
        Ok(())
    })
}

/// Ends a node: its sockets close, whoever waits is told `NDB_CLOSED`, its descriptors go. Says no goodbye to others: that is
/// the command `leave`. Views and descriptors of it may not be used any more, so writers must have ended.
///
/// Waits for the built-in host's thread, if it runs. Any thread but one of its callbacks.
///
/// `NDB_CLOSED` if there is no such node.
#[unsafe(no_mangle)]
pub extern "C" fn ndb_free(node: ndb_node) -> Code {
    guarded(|| {
        let entry = nodes::remove(node)?;
        entry.node.close();
        Ok(())
    })
}

/// Gives a node inputs, or with none of them the time, and shows what is to be done.
///
/// Input bytes are offsets into one arena; inputs and arena may be reused when the call returns. `*out` belongs to the library
/// and stands until the next step of this node; how long its views stand is said at `ndb_output`. `*deadline_ns`: when to step
/// again at the latest, `NDB_NEVER` if only on input or waking. Stepping earlier or twice does no harm; time never runs back.
///
/// Any thread, one at a time: a second one is told `NDB_BUSY`. Does not block for more than a command of another thread takes.
///
/// `NDB_STREAM`, `NDB_INVALID`: an input is wrong; none was taken. `NDB_UNSUPPORTED`: its settings have `tls`, which is the built-in
/// host's. `NDB_CLOSED`, `NDB_POISONED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_step(
    node: ndb_node,
    now_ns: u64,
    inputs: *const ndb_input,
    input_count: usize,
    arena: *const u8,
    arena_len: usize,
    out: *mut *const ndb_output,
    out_count: *mut usize,
    deadline_ns: *mut u64,
) -> Code {
    // SAFETY: NULL or valid, says the caller.
    let given = unsafe { given(now_ns, (inputs, input_count), (arena, arena_len), deadline_ns) };
    // SAFETY: as above.
    let place = unsafe { out.as_mut().zip(out_count.as_mut()) }.ok_or(Code::Invalid);
    given.step(node, Held::show, place, |held, (out, count)| {
        (*out, *count) = (held.outputs.as_ptr(), held.outputs.len());
    })
}

/// A step that lays its outputs one behind the other, for languages to which pointers are foreign: each is an `ndb_output` whose
/// `data` is NULL, and then its `len` bytes. Nothing lies between them, so headers are not aligned: copy one out to look at it.
///
/// `*out` belongs to the library and stands until the next step of this node, of either kind. Bytes of streams are in there as a
/// copy, so nothing points to them later: report them SENT all the same, since the node writes no more than a window ahead, and the
/// stream GONE, since until then its `user` is kept. See `ndb_step` for all else; the two may take turns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_step_flat(
    node: ndb_node,
    now_ns: u64,
    inputs: *const ndb_input,
    input_count: usize,
    arena: *const u8,
    arena_len: usize,
    out: *mut *const u8,
    out_len: *mut usize,
    deadline_ns: *mut u64,
) -> Code {
    // SAFETY: NULL or valid, says the caller.
    let given = unsafe { given(now_ns, (inputs, input_count), (arena, arena_len), deadline_ns) };
    // SAFETY: as above.
    let place = unsafe { out.as_mut().zip(out_len.as_mut()) }.ok_or(Code::Invalid);
    given.step(node, Held::lay, place, |held, (out, len)| {
        (*out, *len) = (held.flat.as_ptr(), held.flat.len());
    })
}

/// A step that carries out what is to be done by calling `transport`: for single-threaded event loops. See `ndb_step` for all but
/// the outputs, and `ndb_transport` for the calls, which come on this thread before the function returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_pump(
    node: ndb_node,
    now_ns: u64,
    inputs: *const ndb_input,
    input_count: usize,
    arena: *const u8,
    arena_len: usize,
    transport: *const ndb_transport,
    deadline_ns: *mut u64,
) -> Code {
    // SAFETY: NULL or valid, says the caller.
    let given = unsafe { given(now_ns, (inputs, input_count), (arena, arena_len), deadline_ns) };
    // SAFETY: as above.
    let carrier = unsafe { sized(transport) }.and_then(|transport| Carrier::new(&transport));
    given.step(node, Held::show, carrier, |held, carrier| {
        held.outputs.iter().for_each(|output| carrier.carry(output));
    })
}

/// Starts the built-in host on a thread of its own: it drives the node on the socket its settings name (`bind`) until `ndb_free`. From
/// now on the times that commands bring are not looked at. Waits until the thread is ready. Any thread.
///
/// `NDB_UNSUPPORTED`: a build without a host, or settings without `bind`. `NDB_BUSY`: something drives it already. `NDB_SYSTEM`,
/// `NDB_CLOSED`, `NDB_POISONED`.
#[unsafe(no_mangle)]
pub extern "C" fn ndb_run(node: ndb_node) -> Code {
    on(node, |entry| {
        #[cfg(feature = "hosted")]
        let result = entry.node.run();
        #[cfg(not(feature = "hosted"))]
        let result = Err::<(), _>(Error::from(Code::Unsupported));
        match &result {
            Ok(()) => entry.log(ndb_log_level::NDB_LOG_INFO, "the built-in host runs"),
            Err(Error { text, .. }) => {
                entry.log(ndb_log_level::NDB_LOG_ERROR, &format!("the built-in host does not run: {text}"));
            }
        }
        result.map_err(|error| error.code)
    })
}

/// Does what a request asks for: a JSON object such as `{"op":"join","members":["10.0.0.1:7946"]}`. `answer` is given the
/// answer, a JSON object, to be freed; on an error `{"error":"…"}`. It may be NULL.
///
/// Any thread. Does not block: what takes time ends in an event, whose `id` is the answer's `request`.
///
/// `NDB_REQUEST`, or what the command says. `NDB_CLOSED`, `NDB_POISONED`, `NDB_INVALID`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_command(
    node: ndb_node,
    now_ns: u64,
    request: *const u8,
    request_len: usize,
    answer: *mut ndb_buffer,
) -> Code {
    // SAFETY: NULL or valid, says the caller.
    let (request, answer) = unsafe { (array(request, request_len), answer.as_mut()) };
    on(node, |entry| {
        let request = std::str::from_utf8(request?).map_err(|_| Code::Request)?;
        let (text, result) = match entry.node.command(Instant::from_nanos(now_ns), request) {
            Ok(text) => (text, Ok(())),
            Err(Error { code, text }) => (error_json(&text), Err(code)),
        };
        give(answer, text.into(), ());
        result
    })
}

/// Writes or deletes a row of a NetworkDB node; `how` is an `ndb_how`. The row is read and not kept.
///
/// Any thread; does not block. `NDB_EXISTS`, `NDB_MISSING`, `NDB_TOO_LARGE`, `NDB_UNSUPPORTED` (another kind of node), `NDB_CLOSED`,
/// `NDB_POISONED`, `NDB_INVALID`: nothing has changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_write(node: ndb_node, now_ns: u64, how: u16, row: *const ndb_row) -> Code {
    // SAFETY: NULL or valid, says the caller.
    let row = unsafe { sized(row) };
    on(node, |entry| {
        let row = row?;
        // SAFETY: valid for the call, says the caller.
        let (key, value) = unsafe { (row_key(&row)?, bytes(row.value)?.unwrap_or_default()) };
        let how = ndb_how::of(how).ok_or(Code::Invalid)?;
        entry.node.write(Instant::from_nanos(now_ns), how, &key, Bytes::copy_from_slice(value))
    })
}

/// Reads the row of a NetworkDB node that `row` names; its own `value` is not looked at. `value` is given the value, to be freed.
///
/// Any thread; does not block. `NDB_MISSING`, `NDB_DELETED`, `NDB_HIDDEN`, `NDB_UNSUPPORTED`, `NDB_CLOSED`, `NDB_POISONED`,
/// `NDB_INVALID`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_read(node: ndb_node, row: *const ndb_row, value: *mut ndb_buffer) -> Code {
    // SAFETY: NULL or valid, says the caller.
    let (row, value) = unsafe { (sized(row), value.as_mut()) };
    on(node, |entry| {
        let value = value.ok_or(Code::Invalid)?;
        // SAFETY: valid for the call, says the caller.
        let key = unsafe { row_key(&row?)? };
        give(Some(value), entry.node.read(&key)?, ());
        Ok(())
    })
}

/// Copies the value of a row into the caller's buffer and tells its length in `*len`. `NDB_TOO_SMALL`: nothing was copied. For all
/// else see `ndb_read`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_read_into(
    node: ndb_node,
    row: *const ndb_row,
    buffer: *mut u8,
    buffer_len: usize,
    len: *mut usize,
) -> Code {
    // SAFETY: NULL or valid, says the caller.
    let (row, buffer, len) = unsafe { (sized(row), array_mut(buffer, buffer_len), len.as_mut()) };
    on(node, |entry| {
        let (len, buffer) = (len.ok_or(Code::Invalid)?, buffer?);
        // SAFETY: valid for the call, says the caller.
        let value = entry.node.read(&unsafe { row_key(&row?)? })?;
        *len = value.len();
        buffer.get_mut(..value.len()).ok_or(Code::TooSmall)?.copy_from_slice(&value);
        Ok(())
    })
}

/// Publishes updates to the clients of a syncer type of a sync server. They are read and not kept. `*taken`, if it is not NULL, is
/// told how many were taken: on an error the first that was not is why.
///
/// Any thread; does not block. `NDB_MISSING`: no such syncer type; `NDB_TOO_LARGE`; `NDB_UNSUPPORTED`, `NDB_CLOSED`, `NDB_POISONED`,
/// `NDB_INVALID`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_publish(
    node: ndb_node,
    now_ns: u64,
    syncer_type: ndb_slice,
    updates: *const ndb_update,
    update_count: usize,
    taken: *mut usize,
) -> Code {
    // SAFETY: NULL or valid, says the caller.
    let (updates, syncer_type) = unsafe { (array(updates, update_count), bytes(syncer_type)) };
    // SAFETY: as above.
    let mut taken = unsafe { taken.as_mut() };
    on(node, |entry| {
        if let Some(taken) = &mut taken {
            **taken = 0;
        }
        let syncer_type = syncer_type?.unwrap_or_default();
        let syncer_type = std::str::from_utf8(syncer_type).map_err(|_| Code::Missing)?;
        // SAFETY: valid for the call, says the caller.
        let updates = unsafe { read_updates(updates?)? };
        let (count, result) = entry.node.publish(Instant::from_nanos(now_ns), syncer_type, updates);
        if let Some(taken) = taken {
            *taken = count;
        }
        result
    })
}

/// Gives a codec the next bytes of the one stream of the sync protocol that it follows: from the first of a connection on, cut
/// anywhere, through restarts and snappy. The messages that end in them wait as events when this returns; take them, for they are
/// kept until then. `from_client` 1: a client sends it, and not a server; said with the first bytes.
///
/// Any thread; does not block. `NDB_MALFORMED`: it is no such stream, which ends it, and `error`, if it is not NULL, is given the reason
/// as text, to be freed; so does each further call. `NDB_UNSUPPORTED` (another kind of node), `NDB_CLOSED`, `NDB_POISONED`, `NDB_INVALID`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_sync_decode(
    node: ndb_node,
    data: *const u8,
    len: usize,
    from_client: u32,
    error: *mut ndb_buffer,
) -> Code {
    // SAFETY: NULL or valid, says the caller.
    let (data, error) = unsafe { (array(data, len), error.as_mut()) };
    on(node, |entry| {
        let result = entry.node.sync_decode(data?, from_client != 0);
        result.map_err(|reason| give(error, reason.text.into_bytes().into(), reason.code))
    })
}

/// Writes a stream of the sync protocol with updates in it, if there are any, and then a status unless that is negative: what a server
/// sends after the hellos. The updates are read and not kept. `stream` is given the bytes, to be freed.
///
/// Any thread; does not block. `NDB_INVALID`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_sync_encode(
    updates: *const ndb_update,
    update_count: usize,
    status: i32,
    stream: *mut ndb_buffer,
) -> Code {
    // SAFETY: NULL or valid, says the caller.
    let (updates, stream) = unsafe { (array(updates, update_count), stream.as_mut()) };
    guarded(|| {
        let stream = stream.ok_or(Code::Invalid)?;
        let status = (status >= 0).then(|| u8::try_from(status)).transpose().map_err(|_| Code::Invalid)?;
        // SAFETY: valid for the call, says the caller.
        let updates = unsafe { read_updates(updates?)? };
        give(Some(stream), sync_stream(&updates, status).into(), ());
        Ok(())
    })
}

/// Takes the next event, which then belongs to the caller, who frees it with `ndb_event_free`. It may outlive the node. To take events
/// may make room and so leave work: step again, or wait for `ndb_wake_fd`.
///
/// Any thread; does not block. `NDB_EMPTY` if none waits. `NDB_CLOSED`, `NDB_POISONED`, `NDB_INVALID`. On all of them `*event` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_next_event(node: ndb_node, event: *mut *mut ndb_event) -> Code {
    // SAFETY: NULL or valid, says the caller.
    let event = unsafe { emptied(event) };
    on(node, |entry| {
        let event = event.ok_or(Code::Invalid)?;
        *event = Owned::give(entry.node.next_event()?.ok_or(Code::Empty)?);
        Ok(())
    })
}

/// Takes the next event and waits for it for so long; `NDB_NEVER`: for ever. `NDB_EMPTY` if none came. `NDB_CLOSED` at once if
/// the node is freed meanwhile. For all else see `ndb_next_event`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_wait_event(node: ndb_node, timeout_ns: u64, event: *mut *mut ndb_event) -> Code {
    // SAFETY: NULL or valid, says the caller.
    let event = unsafe { emptied(event) };
    on(node, |entry| {
        let event = event.ok_or(Code::Invalid)?;
        let timeout = if timeout_ns == NDB_NEVER { Duration::MAX } else { Duration::from_nanos(timeout_ns) };
        *event = Owned::give(entry.node.wait_event(timeout)?);
        Ok(())
    })
}

/// Frees an event. NULL does nothing. Once for each event. Any thread; does not block, never fails.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_event_free(event: *mut ndb_event) {
    if !event.is_null() {
        // SAFETY: it was made by `Owned::give`, of which it is the first field, and is freed once, says the caller.
        drop(unsafe { Box::from_raw(event.cast::<Owned>()) });
    }
}

/// A descriptor that is readable when a command left work: step. The library reads and clears it; the caller only polls it, and does
/// not close it. It goes with the node. Always the same for a node.
///
/// Any thread; does not block. `NDB_UNSUPPORTED` where there are no such descriptors: command from the thread that steps.
/// `NDB_SYSTEM`, `NDB_CLOSED`, `NDB_POISONED`, `NDB_INVALID`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_wake_fd(node: ndb_node, fd: *mut i32) -> Code {
    // SAFETY: NULL or valid, says the caller.
    let fd = unsafe { fd.as_mut() };
    on(node, |entry| {
        *fd.ok_or(Code::Invalid)? = entry.wake_fd()?;
        Ok(())
    })
}

/// A descriptor that is readable while an event waits, and perhaps a little longer: take events until `NDB_EMPTY`. For all else see
/// `ndb_wake_fd`; without descriptors there is `ndb_wait_event`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_event_fd(node: ndb_node, fd: *mut i32) -> Code {
    // SAFETY: NULL or valid, says the caller.
    let fd = unsafe { fd.as_mut() };
    on(node, |entry| {
        *fd.ok_or(Code::Invalid)? = entry.event_fd()?;
        Ok(())
    })
}

/// Frees what a buffer owns and empties it. NULL and an empty one do nothing. Any thread; does not block, never fails.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ndb_buffer_free(buffer: *mut ndb_buffer) {
    // SAFETY: NULL or valid, says the caller.
    let Some(buffer) = (unsafe { buffer.as_mut() }) else { return };
    let ndb_buffer { owner, .. } = std::mem::replace(buffer, EMPTY);
    if !owner.is_null() {
        // SAFETY: `owner` was made by `give` and, since the buffer is emptied, is freed once.
        drop(unsafe { Box::from_raw(owner.cast::<Bytes>()) });
    }
}

// ---- What comes in -------------------------------------------------------------------------------------------------

/// The place for an event, with none in it whatever happens.
unsafe fn emptied<'a>(place: *mut *mut ndb_event) -> Option<&'a mut *mut ndb_event> {
    // SAFETY: NULL or valid, says the caller.
    let place = unsafe { place.as_mut() }?;
    *place = null_mut();
    Some(place)
}

/// Bytes of a seed.
const SEED: usize = 32;

unsafe fn create(options: &ndb_options) -> Result<ndb_node, Error> {
    let kind = Kind::from_number(options.kind).ok_or(Code::Invalid)?;
    // SAFETY: valid for the call, says the caller.
    let config = unsafe { bytes(options.config)? }.unwrap_or_default();
    let config = std::str::from_utf8(config).map_err(|_| Code::Config)?;
    let mut seed = [0; SEED];
    if options.seed.is_null() {
        getrandom::fill(&mut seed).map_err(|_| Code::System)?;
    } else {
        // SAFETY: so many bytes, says the caller.
        seed.copy_from_slice(unsafe { array(options.seed, SEED)? });
    }
    let node = Node::create(kind, config, seed, Instant::from_nanos(options.now_ns))?;
    Ok(nodes::insert(node, logger(options.log, options.log_user)))
}

/// Has the table of nodes told of forks, from the first node on.
pub(crate) fn watch_forks() {
    #[cfg(unix)]
    {
        static ONCE: std::sync::Once = std::sync::Once::new();
        type Handler = extern "C" fn();
        unsafe extern "C" {
            fn pthread_atfork(before: Handler, parent: Handler, child: Handler) -> i32;
        }
        // SAFETY: the functions are as POSIX wants them. If it fails, for lack of memory, a child keeps what it has.
        ONCE.call_once(|| unsafe {
            pthread_atfork(nodes::before_fork, nodes::after_fork, nodes::after_fork_in_child);
        });
    }
}

/// The caller's own, which goes back to it as it came.
struct User(*mut c_void);

// SAFETY: it is never looked into here; that its log takes it on any thread, the caller was told.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

impl User {
    fn get(&self) -> *mut c_void {
        self.0
    }
}

fn logger(log: ndb_log, user: *mut c_void) -> Option<Log> {
    let (log, user) = (log?, User(user));
    Some(Box::new(move |level, text| log(user.get(), level as u32, text.as_ptr(), text.len())))
}

/// What every step is given.
unsafe fn given<'a>(
    now_ns: u64,
    (inputs, input_count): (*const ndb_input, usize),
    (arena, arena_len): (*const u8, usize),
    deadline_ns: *mut u64,
) -> Given<'a> {
    // SAFETY: NULL or valid, says the caller.
    let (inputs, arena) = unsafe { (array(inputs, input_count), array(arena, arena_len)) };
    // SAFETY: as above.
    let deadline_ns = unsafe { deadline_ns.as_mut() };
    Given { now: Instant::from_nanos(now_ns), inputs, arena, deadline_ns }
}

unsafe fn row_key(row: &ndb_row) -> Result<EntryKey, Code> {
    // SAFETY: valid, says the caller.
    let name = |name| unsafe { bytes(name) }.map(Option::unwrap_or_default);
    Ok(EntryKey::new(name(row.network)?, name(row.table)?, name(row.key)?))
}

unsafe fn read_updates<'a>(updates: &[ndb_update]) -> Result<Vec<SerializedUpdate<'a>>, Code> {
    // SAFETY: as said there.
    updates.iter().map(|update| unsafe { read_update(update) }).collect()
}

unsafe fn read_update<'a>(update: &ndb_update) -> Result<SerializedUpdate<'a>, Code> {
    // SAFETY: valid, says the caller.
    let read = |part| unsafe { bytes(part) };
    Ok(SerializedUpdate {
        key: read(update.key)?.unwrap_or_default(),
        value: read(update.value)?,
        revision: read(update.revision)?.map_or(Revision::Nil, Revision::Text),
        v3_resource_version: read(update.version)?.unwrap_or_default(),
        ttl: update.ttl_ns,
        update_type: UpdateType(update.update_type),
    })
}

unsafe fn bytes<'a>(given: ndb_slice) -> Result<Option<&'a [u8]>, Code> {
    if given.data.is_null() && given.len == 0 {
        return Ok(None);
    }
    // SAFETY: valid, says the caller.
    unsafe { array(given.data, given.len) }.map(Some)
}

/// Whether `count` values may lie at `data`.
fn possible<T>(data: *const T, count: usize) -> bool {
    let fits = count.checked_mul(size_of::<T>()).is_some_and(|len| isize::try_from(len).is_ok());
    fits && !data.is_null() && data.is_aligned()
}

unsafe fn array<'a, T>(data: *const T, count: usize) -> Result<&'a [T], Code> {
    if count == 0 {
        return Ok(&[]);
    }
    if !possible(data, count) {
        return Err(Code::Invalid);
    }
    // SAFETY: not NULL, aligned and not too long, as just seen; valid for the call, says the caller.
    Ok(unsafe { slice::from_raw_parts(data, count) })
}

unsafe fn array_mut<'a, T>(data: *mut T, count: usize) -> Result<&'a mut [T], Code> {
    if count == 0 {
        return Ok(&mut []);
    }
    if !possible(data, count) {
        return Err(Code::Invalid);
    }
    // SAFETY: not NULL, aligned and not too long, as just seen; valid and nobody else's for the call, says the caller.
    Ok(unsafe { slice::from_raw_parts_mut(data, count) })
}

/// Structures that begin with their size, and of which all zero is a value.
///
/// # Safety
/// Both have to be so.
unsafe trait Sized: Copy {}

// SAFETY: numbers, pointers and optional functions behind a size.
unsafe impl Sized for ndb_options {}
// SAFETY: as above.
unsafe impl Sized for ndb_row {}
// SAFETY: as above.
unsafe impl Sized for ndb_transport {}

/// Reads a structure of a caller whose header may be older or newer: what it does not have is zero, and what this library does not
/// know must be.
unsafe fn sized<T: Sized>(given: *const T) -> Result<T, Code> {
    if !possible(given, 1) {
        return Err(Code::Invalid);
    }
    // SAFETY: it begins with its size, of which it says how many bytes are valid.
    let size = unsafe { given.cast::<usize>().read() };
    if size < size_of::<usize>() {
        return Err(Code::Invalid);
    }
    // SAFETY: so many bytes are valid, says the caller.
    let all = unsafe { array(given.cast::<u8>(), size)? };
    let (known, unknown) = all.split_at(size.min(size_of::<T>()));
    if unknown.iter().any(|byte| *byte != 0) {
        return Err(Code::Unsupported);
    }
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: `known` is no longer than a `T`, and is elsewhere.
    unsafe { value.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(known.as_ptr(), known.len()) };
    // SAFETY: of a `T`, all zero is a value, and what was copied is part of one.
    Ok(unsafe { value.assume_init() })
}
