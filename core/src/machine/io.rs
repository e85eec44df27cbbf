//! The boundary: how time and bytes come in, and what goes out.

use std::{fmt, net::SocketAddr, time::Duration};

use bytes::Bytes;
use serde::Serialize;

/// Nanoseconds since an origin the host picked. Arithmetic saturates.
///
/// A machine keeps the largest instant it has seen, so time never runs back inside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Instant(u64);

impl Instant {
    /// The origin itself.
    pub const ORIGIN: Self = Self(0);

    /// The instant `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This instant moved back by `duration`, to the origin at most.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Names one stream for the life of a machine. Even: opened by the machine (2, 4, …). Odd: accepted by the host
/// (1, 3, …). Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// Where a stream is to be opened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// A socket address.
    Addr(SocketAddr),
    /// A host name, resolved by the host at each dial.
    Name {
        /// The name to resolve.
        host: Box<str>,
        /// The port to dial.
        port: u16,
    },
}

impl From<SocketAddr> for Endpoint {
    fn from(addr: SocketAddr) -> Self {
        Self::Addr(addr)
    }
}

impl std::str::FromStr for Endpoint {
    type Err = String;

    /// `HOST:PORT`, where the host is an address (IPv6 in brackets) or a name.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(addr) = text.parse() {
            return Ok(Self::Addr(addr));
        }
        let wrong = || format!("`{text}` is not HOST:PORT, as in 10.0.0.1:7946 or seed.example:7946");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        if host.is_empty() || host.contains([':', '[', ']', '/']) || host.contains(char::is_whitespace) {
            return Err(wrong());
        }
        Ok(Self::Name { host: host.into(), port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addr(addr) => addr.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// What a host tells a machine.
#[derive(Debug)]
pub enum Input<'a> {
    /// Nothing but time.
    Tick,
    /// A datagram arrived.
    Datagram {
        /// Its source.
        from: SocketAddr,
        /// Its payload.
        bytes: &'a [u8],
    },
    /// Something happened to a stream.
    Stream(StreamId, StreamInput<'a>),
}

/// What happened to a stream.
#[derive(Debug)]
pub enum StreamInput<'a> {
    /// The host accepted it: the first word about an odd id.
    Accepted {
        /// The dialling side.
        from: SocketAddr,
    },
    /// The dial worked.
    Opened {
        /// Whom it reached.
        at: SocketAddr,
    },
    /// Bytes arrived. Where they are cut means nothing.
    Received(&'a [u8]),
    /// So many more bytes have left for the network.
    Sent(usize),
    /// The peer will send no more.
    Finished,
    /// The dial or the stream broke. The last word: the id is over.
    Failed(Fault),
}

/// Why a dial or a stream broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nobody listens there.
    Refused,
    /// No route, or a name that does not resolve.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// The other side dropped it.
    Reset,
    /// What secures the stream refused the other side, or was refused by it.
    Untrusted,
    /// Anything else.
    Other,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Unreachable => "host unreachable or name unknown",
            Self::TimedOut => "timed out",
            Self::Reset => "connection reset",
            Self::Untrusted => "not trusted",
            Self::Other => "connection failed",
        })
    }
}

/// What a machine asks of its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a datagram.
    Datagram {
        /// Its destination.
        to: SocketAddr,
        /// Its payload.
        bytes: Bytes,
    },
    /// Dial.
    Open(StreamId, Endpoint),
    /// Bytes handed over: the host keeps them until it reports them [`StreamInput::Sent`].
    Write(StreamId, Bytes),
    /// Stop or resume reading a stream. On at the start.
    Reading(StreamId, bool),
    /// End a stream.
    Close(StreamId, How),
}

/// How a stream is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// After all written bytes, send no more. Reading goes on.
    Finish,
    /// Drop it now. The id is over.
    Abort,
}

/// A protocol without its host.
pub trait Machine {
    /// What the machine tells its user.
    type Event;

    /// Takes one input and does what is due at `now`. Never fails: bad bytes are counted and reported as events.
    fn handle(&mut self, now: Instant, input: Input<'_>);

    /// The next thing the host is to do.
    fn poll_output(&mut self) -> Option<Output>;

    /// The next thing the user may want to know. May free room and so cause outputs.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When to call [`Machine::handle`] with [`Input::Tick`] at the latest. Earlier or twice does no harm.
    fn next_deadline(&self) -> Option<Instant>;

    /// Appends all pending outputs to `into`.
    fn drain(&mut self, into: &mut Vec<Output>) {
        while let Some(output) = self.poll_output() {
            into.push(output);
        }
    }
}

/// What a single-threaded host implements. Nothing blocks and nothing fails at the call; trouble comes back later
/// as an [`Input`].
pub trait Transport {
    /// Sends a datagram.
    fn send(&mut self, to: SocketAddr, bytes: &[u8]);
    /// Dials.
    fn open(&mut self, stream: StreamId, endpoint: &Endpoint);
    /// Takes bytes over; reports [`StreamInput::Sent`] as they leave.
    fn write(&mut self, stream: StreamId, bytes: Bytes);
    /// Stops or resumes reading.
    fn reading(&mut self, stream: StreamId, on: bool);
    /// Ends a stream.
    fn close(&mut self, stream: StreamId, how: How);
}

/// Carries all pending outputs of `machine` to `transport`.
pub fn pump(machine: &mut impl Machine, transport: &mut impl Transport) {
    while let Some(output) = machine.poll_output() {
        match output {
            Output::Datagram { to, bytes } => transport.send(to, &bytes),
            Output::Open(stream, endpoint) => transport.open(stream, &endpoint),
            Output::Write(stream, bytes) => transport.write(stream, bytes),
            Output::Reading(stream, on) => transport.reading(stream, on),
            Output::Close(stream, how) => transport.close(stream, how),
        }
    }
}
