//! What a stepping host was shown and may still look at, and its own word for each stream.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6},
    ptr::null,
};

use bytes::Bytes;
use networkdb_embed::{Code, Endpoint, Fault, How, Input, Output, StreamId, StreamInput};

use crate::types::{ndb_addr, ndb_fault, ndb_input, ndb_input_kind as kind, ndb_output, ndb_output_kind};

/// The streams of a node, and what its last step showed.
#[derive(Default)]
pub(crate) struct Held {
    /// In boxes: the code of a tree grows with its values.
    streams: BTreeMap<u64, Box<Stream>>,
    /// The newest ids.
    accepted: u64,
    opened: u64,
    /// Datagrams and names of the last step.
    last: Vec<Bytes>,
    pub(crate) outputs: Vec<ndb_output>,
    /// The outputs of the last step, if it was a flat one.
    pub(crate) flat: Vec<u8>,
}

/// Of a stream that is not GONE.
#[derive(Default)]
struct Stream {
    user: u64,
    /// Handed over and not yet SENT.
    pieces: VecDeque<Bytes>,
    /// What has been SENT of the first piece.
    sent: usize,
}

impl Stream {
    fn sent(&mut self, count: u64) {
        let mut left = self.sent.saturating_add(usize::try_from(count).unwrap_or(usize::MAX));
        while self.pieces.front().is_some_and(|piece| piece.len() <= left) {
            left -= self.pieces.pop_front().map_or(0, |piece| piece.len());
        }
        self.sent = if self.pieces.is_empty() { 0 } else { left };
    }
}

impl Held {
    /// The inputs a node is to be given. If one of them is wrong, none is taken.
    pub(crate) fn inputs<'a>(
        &mut self,
        inputs: &[ndb_input],
        arena: &'a [u8],
    ) -> Result<Vec<Input<'a>>, Code> {
        let mut accepted = self.accepted;
        let mut taken = Vec::with_capacity(inputs.len());
        for input in inputs {
            taken.extend(read(input, arena)?);
            self.check_stream(input, &mut accepted)?;
        }
        self.accepted = accepted;
        for input in inputs {
            self.note(input);
        }
        Ok(taken)
    }

    fn check_stream(&self, input: &ndb_input, accepted: &mut u64) -> Result<(), Code> {
        if input.kind <= kind::NDB_INPUT_DATAGRAM as u16 {
            return Ok(());
        }
        let id = input.stream;
        if input.kind == kind::NDB_INPUT_ACCEPTED as u16 {
            let next = if *accepted == 0 { 1 } else { *accepted + 2 };
            *accepted = next;
            return if id == next { Ok(()) } else { Err(Code::Stream) };
        }
        let newest = if id % 2 == 1 { *accepted } else { self.opened };
        if id == 0 || id > newest { Err(Code::Stream) } else { Ok(()) }
    }

    /// What an input means for what is held.
    fn note(&mut self, input: &ndb_input) {
        let id = input.stream;
        if input.kind == kind::NDB_INPUT_ACCEPTED as u16 {
            self.streams.insert(id, Box::default());
        }
        if input.kind == kind::NDB_INPUT_GONE as u16 {
            self.streams.remove(&id);
        }
        if input.kind <= kind::NDB_INPUT_DATAGRAM as u16 {
            return;
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if input.user != 0 {
            stream.user = input.user;
        }
        if input.kind == kind::NDB_INPUT_SENT as u16 {
            stream.sent(input.len);
        }
    }

    /// Shows outputs in place of those of the last step.
    pub(crate) fn show(&mut self, outputs: Vec<Output>) {
        self.forget();
        for output in outputs {
            let Some((header, bytes)) = self.header(output) else { continue };
            let data = if bytes.is_empty() { null() } else { bytes.as_ptr() };
            self.outputs.push(ndb_output { data, ..header });
            match self.streams.get_mut(&header.stream) {
                Some(stream) if header.kind == ndb_output_kind::NDB_OUTPUT_WRITE as u16 => {
                    stream.pieces.push_back(bytes);
                }
                _ => self.last.push(bytes),
            }
        }
    }

    /// Lays outputs one behind the other in place of those of the last step. Of their bytes nothing else is kept.
    pub(crate) fn lay(&mut self, outputs: Vec<Output>) {
        self.forget();
        let laid: Vec<_> = outputs.into_iter().filter_map(|output| self.header(output)).collect();
        self.flat.reserve_exact(laid.iter().map(|(_, bytes)| size_of::<ndb_output>() + bytes.len()).sum());
        for (header, bytes) in laid {
            put(&mut self.flat, &header);
            self.flat.extend_from_slice(&bytes);
        }
    }

    fn forget(&mut self) {
        self.last.clear();
        self.outputs.clear();
        self.flat = Vec::new();
    }

    /// An output as the host sees it, but for where its bytes are; none about a stream that is GONE.
    fn header(&mut self, output: Output) -> Option<(ndb_output, Bytes)> {
        use ndb_output_kind as kind;
        let (header, bytes) = match output {
            Output::Datagram { to, bytes } => {
                (ndb_output { addr: addr(to), ..bare(kind::NDB_OUTPUT_DATAGRAM, 0) }, bytes)
            }
            Output::Open(StreamId(stream), endpoint) => {
                self.opened = self.opened.max(stream);
                self.streams.insert(stream, Box::default());
                let (addr, name) = whom(endpoint);
                (ndb_output { stream, addr, ..bare(kind::NDB_OUTPUT_OPEN, 0) }, name)
            }
            Output::Write(id, bytes) => (self.about(id, kind::NDB_OUTPUT_WRITE, 0)?, bytes),
            Output::Reading(id, on) => (self.about(id, kind::NDB_OUTPUT_READING, on.into())?, Bytes::new()),
            Output::Close(id, how) => {
                (self.about(id, kind::NDB_OUTPUT_CLOSE, (how == How::Abort).into())?, Bytes::new())
            }
        };
        Some((ndb_output { len: bytes.len() as u64, ..header }, bytes))
    }

    fn about(&self, id: StreamId, kind: ndb_output_kind, code: u16) -> Option<ndb_output> {
        let user = self.streams.get(&id.0)?.user;
        Some(ndb_output { stream: id.0, user, ..bare(kind, code) })
    }
}

/// Whom to dial: an address, or a port and a name.
fn whom(endpoint: Endpoint) -> (ndb_addr, Bytes) {
    match endpoint {
        Endpoint::Addr(to) => (addr(to), Bytes::new()),
        Endpoint::Name { host, port } => {
            (ndb_addr { port, ..ndb_addr::default() }, Bytes::from(String::from(host)))
        }
    }
}

/// Appends a header as it lies in memory, with `data` NULL.
fn put(flat: &mut Vec<u8>, header: &ndb_output) {
    let ndb_output { kind, code, reserved, stream, user, len, addr, .. } = *header;
    flat.extend(kind.to_ne_bytes());
    flat.extend(code.to_ne_bytes());
    flat.extend(reserved.to_ne_bytes());
    flat.extend(stream.to_ne_bytes());
    flat.extend(user.to_ne_bytes());
    flat.extend([0; 8]);
    flat.extend(len.to_ne_bytes());
    flat.extend(addr.ip);
    flat.extend(addr.scope.to_ne_bytes());
    flat.extend(addr.port.to_ne_bytes());
    flat.extend([addr.family, addr.reserved]);
}

fn bare(kind: ndb_output_kind, code: u16) -> ndb_output {
    ndb_output {
        kind: kind as u16,
        code,
        reserved: 0,
        stream: 0,
        user: 0,
        data: null(),
        len: 0,
        addr: ndb_addr::default(),
    }
}

/// What an input says to the node; nothing for GONE, which is between the host and this library.
fn read<'a>(input: &ndb_input, arena: &'a [u8]) -> Result<Option<Input<'a>>, Code> {
    use StreamInput as S;
    const KINDS: [kind; 9] = [
        kind::NDB_INPUT_TICK,
        kind::NDB_INPUT_DATAGRAM,
        kind::NDB_INPUT_ACCEPTED,
        kind::NDB_INPUT_OPENED,
        kind::NDB_INPUT_RECEIVED,
        kind::NDB_INPUT_SENT,
        kind::NDB_INPUT_FINISHED,
        kind::NDB_INPUT_FAILED,
        kind::NDB_INPUT_GONE,
    ];
    let word = match KINDS.get(usize::from(input.kind)).ok_or(Code::Invalid)? {
        kind::NDB_INPUT_TICK => return Ok(Some(Input::Tick)),
        kind::NDB_INPUT_DATAGRAM => {
            return Ok(Some(Input::Datagram { from: socket_addr(&input.addr)?, bytes: cut(input, arena)? }));
        }
        kind::NDB_INPUT_GONE => return Ok(None),
        kind::NDB_INPUT_ACCEPTED => S::Accepted { from: socket_addr(&input.addr)? },
        kind::NDB_INPUT_OPENED => S::Opened { at: socket_addr(&input.addr)? },
        kind::NDB_INPUT_RECEIVED => S::Received(cut(input, arena)?),
        kind::NDB_INPUT_SENT => S::Sent(usize::try_from(input.len).map_err(|_| Code::Invalid)?),
        kind::NDB_INPUT_FINISHED => S::Finished,
        kind::NDB_INPUT_FAILED => S::Failed(fault(input.code)?),
    };
    Ok(Some(Input::Stream(StreamId(input.stream), word)))
}

fn cut<'a>(input: &ndb_input, arena: &'a [u8]) -> Result<&'a [u8], Code> {
    let range = || {
        let start = usize::try_from(input.offset).ok()?;
        Some(start..start.checked_add(usize::try_from(input.len).ok()?)?)
    };
    range().and_then(|range| arena.get(range)).ok_or(Code::Invalid)
}

fn fault(code: u16) -> Result<Fault, Code> {
    const FAULTS: [(ndb_fault, Fault); 6] = [
        (ndb_fault::NDB_FAULT_OTHER, Fault::Other),
        (ndb_fault::NDB_FAULT_REFUSED, Fault::Refused),
        (ndb_fault::NDB_FAULT_UNREACHABLE, Fault::Unreachable),
        (ndb_fault::NDB_FAULT_TIMED_OUT, Fault::TimedOut),
        (ndb_fault::NDB_FAULT_RESET, Fault::Reset),
        (ndb_fault::NDB_FAULT_UNTRUSTED, Fault::Untrusted),
    ];
    let found = FAULTS.iter().find(|(number, _)| *number as u16 == code);
    found.map(|(_, fault)| *fault).ok_or(Code::Invalid)
}

fn socket_addr(addr: &ndb_addr) -> Result<SocketAddr, Code> {
    let [a, b, c, d, ..] = addr.ip;
    match addr.family {
        4 => Ok(SocketAddr::from(([a, b, c, d], addr.port))),
        6 => Ok(SocketAddrV6::new(Ipv6Addr::from(addr.ip), addr.port, 0, addr.scope).into()),
        _ => Err(Code::Invalid),
    }
}

pub(crate) fn addr(addr: SocketAddr) -> ndb_addr {
    let mut ip = [0; 16];
    let scope = if let SocketAddr::V6(v6) = addr { v6.scope_id() } else { 0 };
    let family = match addr.ip() {
        IpAddr::V4(v4) => {
            ip[..4].copy_from_slice(&v4.octets());
            4
        }
        IpAddr::V6(v6) => {
            ip = v6.octets();
            6
        }
    };
    ndb_addr { ip, scope, port: addr.port(), family, reserved: 0 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    fn input(kind: kind, stream: u64, len: u64) -> ndb_input {
        let addr = addr(SocketAddr::from(([10, 0, 0, 9], 9)));
        ndb_input { kind: kind as u16, code: 0, reserved: 0, stream, user: 0, offset: 0, len, addr }
    }

    /// A stream that was accepted and has two pieces written to it.
    fn written() -> (Held, Bytes) {
        let mut held = Held::default();
        held.inputs(&[input(kind::NDB_INPUT_ACCEPTED, 1, 0)], &[]).unwrap();
        let bytes = Bytes::from(vec![7; 10]);
        held.show(vec![Output::Write(StreamId(1), bytes.clone()), Output::Write(StreamId(1), bytes.clone())]);
        (held, bytes)
    }

    #[test]
    fn a_piece_is_kept_until_all_of_it_was_sent() {
        let (mut held, _) = written();
        let mut left = |len| {
            held.inputs(&[input(kind::NDB_INPUT_SENT, 1, len)], &[]).unwrap();
            held.show(Vec::new());
            held.streams[&1].pieces.len()
        };
        assert_eq!([left(9), left(1), left(9), left(0), left(1), left(5)], [2, 1, 1, 1, 0, 0]);
    }

    #[test]
    fn only_gone_frees_what_was_not_sent() {
        let (mut held, bytes) = written();
        held.inputs(&[input(kind::NDB_INPUT_FAILED, 1, 0)], &[]).unwrap();
        held.show(vec![Output::Close(StreamId(1), How::Abort)]);
        assert_eq!(held.streams[&1].pieces.len(), 2);
        held.inputs(&[input(kind::NDB_INPUT_GONE, 1, 0)], &[]).unwrap();
        assert!(held.streams.is_empty() && bytes.is_unique());
        held.show(vec![Output::Write(StreamId(1), bytes)]);
        assert!(held.outputs.is_empty() && held.streams.is_empty(), "nothing more is kept or shown of it");
    }

    #[test]
    fn of_outputs_laid_flat_nothing_else_is_kept() {
        let mut held = Held::default();
        held.inputs(&[input(kind::NDB_INPUT_ACCEPTED, 1, 0)], &[]).unwrap();
        let bytes = Bytes::from(vec![7; 10]);
        held.lay(vec![Output::Write(StreamId(1), bytes.clone()), Output::Reading(StreamId(1), true)]);
        assert!(bytes.is_unique());
        assert_eq!(held.flat.len(), 64 + 10 + 64);
        held.show(Vec::new());
        assert!(held.flat.is_empty());
    }

    #[test]
    fn an_address_comes_back_as_it_went() {
        let scoped = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 5, 0, 3);
        for one in [SocketAddr::from(([1, 2, 3, 4], 5)), scoped.into()] {
            assert_eq!(socket_addr(&addr(one)), Ok(one));
        }
    }
}
