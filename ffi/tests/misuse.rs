//! What a caller may do wrong, and what it is told. Called as C calls it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    unsafe_code,
    reason = "a test; calls as C makes them"
)]

use std::{
    ffi::c_void,
    ptr::{null, null_mut},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use networkdb::{abi::*, types::*};
use networkdb_embed::Code;

fn text(text: &str) -> ndb_slice {
    ndb_slice { data: text.as_ptr(), len: text.len() }
}

fn options(config: &str, kind: u16) -> ndb_options {
    ndb_options {
        size: size_of::<ndb_options>(),
        kind,
        reserved: 0,
        reserved2: 0,
        config: text(config),
        seed: SEED.as_ptr(),
        now_ns: 1,
        log: None,
        log_user: null_mut(),
    }
}

static SEED: [u8; 32] = [7; 32];
const DATABASE: &str = r#"{"name":"a","advertise":"10.0.0.1:7946"}"#;

fn create_with(options: &ndb_options) -> (Code, ndb_node) {
    let mut node = 99;
    let code = unsafe { ndb_create(options, &raw mut node, null_mut()) };
    (code, node)
}

fn create(config: &str, kind: u16) -> ndb_node {
    let (code, node) = create_with(&options(config, kind));
    assert_eq!(code, Code::Ok);
    node
}

fn command(node: ndb_node, request: &str) -> (Code, String) {
    let mut answer = ndb_buffer { data: null(), len: 0, owner: null_mut() };
    let code = unsafe { ndb_command(node, 2, request.as_ptr(), request.len(), &raw mut answer) };
    let bytes =
        if answer.len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(answer.data, answer.len) } };
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    unsafe { ndb_buffer_free(&raw mut answer) };
    (code, text)
}

fn take_all(node: ndb_node) {
    loop {
        let mut event = null_mut();
        match unsafe { ndb_next_event(node, &raw mut event) } {
            Code::Ok => unsafe { ndb_event_free(event) },
            code => return assert_eq!(code, Code::Empty),
        }
    }
}

fn input(kind: ndb_input_kind, stream: u64) -> ndb_input {
    let addr = ndb_addr {
        ip: [10, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        family: 4,
        port: 9,
        ..ndb_addr::default()
    };
    ndb_input { kind: kind as u16, code: 0, reserved: 0, stream, user: 0, offset: 0, len: 0, addr }
}

fn step(node: ndb_node, inputs: &[ndb_input], arena: &[u8]) -> (Code, Vec<ndb_output>) {
    let (mut out, mut count, mut deadline) = (null(), 0, 0);
    let code = unsafe {
        ndb_step(
            node,
            2,
            inputs.as_ptr(),
            inputs.len(),
            arena.as_ptr(),
            arena.len(),
            &raw mut out,
            &raw mut count,
            &raw mut deadline,
        )
    };
    let outputs = if count == 0 { &[] } else { unsafe { std::slice::from_raw_parts(out, count) } };
    (code, outputs.to_vec())
}

/// A flat step, whose outputs are copied out.
fn step_flat(node: ndb_node, inputs: &[ndb_input], arena: &[u8]) -> (Code, Vec<u8>) {
    let (mut out, mut len, mut deadline) = (null(), 0, 0);
    let code = unsafe {
        ndb_step_flat(
            node,
            2,
            inputs.as_ptr(),
            inputs.len(),
            arena.as_ptr(),
            arena.len(),
            &raw mut out,
            &raw mut len,
            &raw mut deadline,
        )
    };
    let bytes = if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(out, len) } };
    (code, bytes.to_vec())
}

/// Outputs as a flat step lays them.
fn laid(outputs: &[ndb_output]) -> Vec<u8> {
    let mut flat = Vec::new();
    for output in outputs {
        let len = usize::try_from(output.len).unwrap();
        let header = ndb_output { data: null(), ..*output };
        flat.extend_from_slice(unsafe {
            std::slice::from_raw_parts((&raw const header).cast::<u8>(), size_of::<ndb_output>())
        });
        if len > 0 {
            flat.extend_from_slice(unsafe { std::slice::from_raw_parts(output.data, len) });
        }
    }
    flat
}

#[test]
fn a_flat_step_lays_what_a_step_shows() {
    use ndb_input_kind::*;
    let (views, flat) = (create(DATABASE, 1), create(DATABASE, 1));
    for node in [views, flat] {
        assert_eq!(
            command(node, r#"{"op":"join","members":["10.0.0.9:9","[::1]:7946","b.example:7"]}"#).0,
            Code::Ok
        );
    }
    let opened = ndb_input { user: 0xabc, ..input(NDB_INPUT_OPENED, 2) };
    let mut total = 0;
    for inputs in [&[][..], &[opened], &[input(NDB_INPUT_FAILED, 2), input(NDB_INPUT_GONE, 2)]] {
        let shown = laid(&step(views, inputs, &[]).1);
        assert_eq!(step_flat(flat, inputs, &[]), (Code::Ok, shown.clone()));
        total += shown.len();
    }
    assert!(total > 4 * size_of::<ndb_output>(), "three dials, and bytes for one of them");
    let beyond = ndb_input { len: 4, ..input(NDB_INPUT_DATAGRAM, 0) };
    assert_eq!(step_flat(flat, &[beyond], b"123").0, Code::Invalid);
    assert_eq!((ndb_free(views), ndb_free(flat)), (Code::Ok, Code::Ok));
    assert_eq!(step_flat(flat, &[], &[]).0, Code::Closed);
}

#[test]
fn null_and_impossible_lengths_are_told() {
    let node = create(DATABASE, 1);
    let (mut other, given) = (0, options(DATABASE, 1));
    unsafe {
        assert_eq!(ndb_create(null(), &raw mut other, null_mut()), Code::Invalid);
        assert_eq!(ndb_create(&raw const given, null_mut(), null_mut()), Code::Invalid);
        assert_eq!(ndb_next_event(node, null_mut()), Code::Invalid);
        assert_eq!(ndb_command(node, 2, null(), 5, null_mut()), Code::Invalid);
        assert_eq!(ndb_command(node, 2, b"{}".as_ptr(), usize::MAX, null_mut()), Code::Invalid);
        assert_eq!(ndb_write(node, 2, 0, null()), Code::Invalid);
        assert_eq!(
            ndb_step(node, 2, null(), 1, null(), 0, null_mut(), null_mut(), null_mut()),
            Code::Invalid
        );
        assert_eq!(
            ndb_step_flat(node, 2, null(), 0, null(), 0, null_mut(), null_mut(), null_mut()),
            Code::Invalid
        );
        assert_eq!(ndb_sync_decode(node, null(), 5, 0, null_mut()), Code::Invalid);
        assert_eq!(ndb_sync_encode(null(), 0, 0, null_mut()), Code::Invalid);
        assert_eq!(ndb_wake_fd(node, null_mut()), Code::Invalid);
        ndb_buffer_free(null_mut());
        ndb_event_free(null_mut());
    }
    assert_eq!(create_with(&options(DATABASE, 77)), (Code::Invalid, 0));
    assert_eq!(ndb_free(node), Code::Ok);
}

/// Options of a later header.
#[repr(C)]
struct Newer {
    known: ndb_options,
    unknown: u64,
}

#[test]
fn structures_of_other_headers_are_understood_or_refused() {
    let older = ndb_options { size: std::mem::offset_of!(ndb_options, log), ..options(DATABASE, 1) };
    let (code, node) = create_with(&older);
    assert_eq!((code, ndb_free(node)), (Code::Ok, Code::Ok));
    let mut newer =
        Newer { known: ndb_options { size: size_of::<Newer>(), ..options(DATABASE, 1) }, unknown: 0 };
    let mut node = 0;
    let create = |newer: &Newer, node: &mut ndb_node| unsafe {
        ndb_create((&raw const *newer).cast(), node, null_mut())
    };
    assert_eq!(create(&newer, &mut node), Code::Ok);
    ndb_free(node);
    newer.unknown = 1;
    assert_eq!(create(&newer, &mut node), Code::Unsupported);
    newer.known.size = 3;
    assert_eq!(create(&newer, &mut node), Code::Invalid);
}

#[test]
fn a_freed_node_and_one_that_never_was_are_told() {
    let node = create(DATABASE, 1);
    assert_eq!(ndb_free(node), Code::Ok);
    for node in [node, 0, u64::MAX] {
        assert_eq!(ndb_free(node), Code::Closed);
        assert_eq!(command(node, "{}").0, Code::Closed);
        assert_eq!(step(node, &[], &[]).0, Code::Closed);
    }
}

#[test]
fn a_node_of_another_kind_is_told() {
    let codec = create("{}", 5);
    let row = ndb_row {
        size: size_of::<ndb_row>(),
        network: text("n"),
        table: text("t"),
        key: text("k"),
        value: text("v"),
    };
    assert_eq!(unsafe { ndb_write(codec, 2, 0, &raw const row) }, Code::Unsupported);
    assert_eq!(unsafe { ndb_publish(codec, 2, text("felix"), null(), 0, null_mut()) }, Code::Unsupported);
    assert_eq!(ndb_run(codec), Code::Unsupported);
    let node = create(DATABASE, 1);
    assert_eq!(unsafe { ndb_sync_decode(node, null(), 0, 0, null_mut()) }, Code::Unsupported);
    ndb_free(node);
    ndb_free(codec);
}

#[test]
fn what_is_no_stream_and_no_status_is_told() {
    let codec = create("{}", 5);
    for _ in 0..2 {
        let mut reason = ndb_buffer { data: null(), len: 0, owner: null_mut() };
        let data = [0x55; 256];
        unsafe {
            assert_eq!(
                ndb_sync_decode(codec, data.as_ptr(), data.len(), 0, &raw mut reason),
                Code::Malformed
            );
            assert!(reason.len > 0);
            ndb_buffer_free(&raw mut reason);
            assert_eq!(ndb_sync_encode(null(), 0, 256, &raw mut reason), Code::Invalid);
        }
    }
    ndb_free(codec);
}

#[test]
fn a_wrong_input_is_told_and_none_of_the_step_is_taken() {
    use ndb_input_kind::*;
    let node = create(DATABASE, 1);
    let accepted = input(NDB_INPUT_ACCEPTED, 1);
    let beyond = ndb_input { offset: 1, len: 4, ..input(NDB_INPUT_RECEIVED, 1) };
    assert_eq!(step(node, &[accepted, beyond], b"1234").0, Code::Invalid);
    let overflow = ndb_input { offset: u64::MAX, len: 2, ..input(NDB_INPUT_DATAGRAM, 0) };
    assert_eq!(step(node, &[overflow], b"1234").0, Code::Invalid);
    assert_eq!(step(node, &[ndb_input { kind: 99, ..input(NDB_INPUT_TICK, 0) }], &[]).0, Code::Invalid);
    let nowhere = ndb_input { addr: ndb_addr::default(), ..accepted };
    assert_eq!(step(node, &[nowhere], &[]).0, Code::Invalid);
    // The stream was not taken before, so it can be now; and then not again.
    assert_eq!(step(node, &[accepted], &[]).0, Code::Ok);
    for wrong in
        [accepted, input(NDB_INPUT_ACCEPTED, 5), input(NDB_INPUT_OPENED, 2), input(NDB_INPUT_GONE, 3)]
    {
        assert_eq!(step(node, &[wrong], &[]).0, Code::Stream);
    }
    assert_eq!(step(node, &[input(NDB_INPUT_ACCEPTED, 3), input(NDB_INPUT_GONE, 3)], &[]).0, Code::Ok);
    ndb_free(node);
}

#[test]
fn views_of_a_stream_stand_and_its_user_comes_back_until_it_is_gone() {
    use ndb_input_kind::*;
    let node = create(DATABASE, 1);
    assert_eq!(command(node, r#"{"op":"join","members":["10.0.0.9:9","seed.example:7946"]}"#).0, Code::Ok);
    let (_, opens) = step(node, &[], &[]);
    let opens: Vec<_> =
        opens.iter().filter(|out| out.kind == ndb_output_kind::NDB_OUTPUT_OPEN as u16).collect();
    assert_eq!((opens[0].stream, opens[0].addr.family, opens[1].addr.family), (2, 4, 0));
    let name = unsafe { std::slice::from_raw_parts(opens[1].data, usize::try_from(opens[1].len).unwrap()) };
    assert_eq!((name, opens[1].addr.port), (&b"seed.example"[..], 7946));
    let opened = ndb_input { user: 0xabc, ..input(NDB_INPUT_OPENED, 2) };
    let (_, outputs) = step(node, &[opened], &[]);
    let write = outputs.iter().find(|out| out.kind == ndb_output_kind::NDB_OUTPUT_WRITE as u16).unwrap();
    assert_eq!((write.stream, write.user), (2, 0xabc));
    let bytes = || unsafe { std::slice::from_raw_parts(write.data, usize::try_from(write.len).unwrap()) };
    let before = bytes().to_vec();
    for _ in 0..10 {
        step(node, &[], &[]);
        step(node, &[ndb_input { len: 1, ..input(NDB_INPUT_SENT, 2) }], &[]);
    }
    assert_eq!(bytes(), before, "only part of it was sent");
    step(node, &[input(NDB_INPUT_FAILED, 2)], &[]);
    assert_eq!(bytes(), before, "not gone yet");
    let (code, outputs) = step(node, &[input(NDB_INPUT_GONE, 2)], &[]);
    assert!(code == Code::Ok && outputs.iter().all(|out| out.stream != 2));
    ndb_free(node);
}

/// Steps and commands from inside of a pump.
extern "C" fn again(user: *mut c_void, _: *const ndb_addr, _: *const u8, _: usize) {
    seen(user);
}
extern "C" fn open(user: *mut c_void, _: u64, _: *const ndb_addr, _: *const u8, _: usize) {
    seen(user);
}
extern "C" fn write(user: *mut c_void, _: u64, _: u64, _: *const u8, _: usize) {
    seen(user);
}
extern "C" fn word(user: *mut c_void, _: u64, _: u64, _: u32) {
    seen(user);
}

struct Seen {
    node: ndb_node,
    busy: AtomicUsize,
}

fn seen(user: *mut c_void) {
    let seen = unsafe { &*user.cast::<Seen>() };
    let inner = std::thread::spawn({
        let node = seen.node;
        move || step(node, &[], &[]).0
    });
    assert_eq!(inner.join().unwrap(), Code::Busy);
    assert_eq!(command(seen.node, r#"{"op":"stats"}"#).0, Code::Ok, "commands are welcome");
    seen.busy.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn a_second_step_is_told_busy_and_a_pump_carries_every_output() {
    let node = create(DATABASE, 1);
    command(node, r#"{"op":"join","members":["10.0.0.9:9"]}"#);
    let seen = Seen { node, busy: AtomicUsize::new(0) };
    let transport = ndb_transport {
        size: size_of::<ndb_transport>(),
        user: (&raw const seen).cast_mut().cast(),
        send: Some(again),
        open: Some(open),
        write: Some(write),
        reading: Some(word),
        close: Some(word),
    };
    let mut deadline = 0;
    let mut pump = |transport: &ndb_transport| unsafe {
        ndb_pump(node, 3, null(), 0, null(), 0, transport, &raw mut deadline)
    };
    assert_eq!(pump(&ndb_transport { close: None, ..transport }), Code::Invalid);
    assert_eq!(pump(&transport), Code::Ok);
    assert!(seen.busy.load(Ordering::SeqCst) > 0);
    assert_eq!(step(node, &[], &[]).0, Code::Ok, "it is free again");
    ndb_free(node);
}

extern "C" fn note(user: *mut c_void, level: u32, text: *const u8, len: usize) {
    let text = unsafe { std::slice::from_raw_parts(text, len) };
    if level == ndb_log_level::NDB_LOG_ERROR as u32 && text.starts_with(b"internal fault: asked for") {
        unsafe { &*user.cast::<AtomicUsize>() }.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_panic_is_stopped_and_poisons_the_node() {
    let lines = AtomicUsize::new(0);
    let given = ndb_options {
        log: Some(note),
        log_user: (&raw const lines).cast_mut().cast(),
        ..options(DATABASE, 1)
    };
    let (_, node) = create_with(&given);
    let other = create(DATABASE, 1);
    take_all(node);
    let waits = std::thread::spawn(move || {
        let mut event = null_mut();
        unsafe { ndb_wait_event(node, NDB_NEVER, &raw mut event) }
    });
    assert_eq!(command(node, r#"{"op":"panic"}"#).0, Code::Poisoned);
    assert_eq!(waits.join().unwrap(), Code::Poisoned, "whoever waits is told");
    assert_eq!(command(node, r#"{"op":"stats"}"#).0, Code::Poisoned);
    assert_eq!(step(node, &[], &[]).0, Code::Poisoned);
    assert_eq!(lines.load(Ordering::SeqCst), 1);
    assert_eq!(command(other, r#"{"op":"stats"}"#).0, Code::Ok);
    assert_eq!((ndb_free(node), ndb_free(other)), (Code::Ok, Code::Ok));
}

#[test]
fn a_node_closed_during_a_wait_ends_the_wait() {
    let node = create("{}", 5);
    let waits = std::thread::spawn(move || {
        let mut event = null_mut();
        unsafe { ndb_wait_event(node, NDB_NEVER, &raw mut event) }
    });
    assert_eq!(ndb_free(node), Code::Ok);
    assert_eq!(waits.join().unwrap(), Code::Closed);
}

/// Whether a descriptor is readable.
fn readable(fd: i32) -> bool {
    use std::os::fd::BorrowedFd;
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let mut polled = [rustix::event::PollFd::from_borrowed_fd(fd, rustix::event::PollFlags::IN)];
    let none = rustix::time::Timespec::try_from(Duration::ZERO).unwrap();
    rustix::event::poll(&mut polled, Some(&none)).unwrap() > 0
}

#[test]
fn descriptors_are_readable_while_there_is_something() {
    let node = create(DATABASE, 1);
    let (mut wake, mut events, mut again) = (-1, -1, -1);
    unsafe {
        assert_eq!(ndb_wake_fd(node, &raw mut wake), Code::Ok);
        assert_eq!(ndb_event_fd(node, &raw mut events), Code::Ok);
        assert_eq!(ndb_wake_fd(node, &raw mut again), Code::Ok);
    }
    assert!(wake == again && wake != events);
    assert!(readable(wake), "the first step is due");
    step(node, &[], &[]);
    assert!(!readable(wake));
    command(node, r#"{"op":"network_join","network":"web"}"#);
    assert!(readable(wake) && readable(events));
    step(node, &[], &[]);
    assert!(!readable(wake) && readable(events));
    take_all(node);
    assert!(!readable(events));
    ndb_free(node);
}
