//! One connection: a bounded write queue the driver fills, and a task that does everything that may wait.

mod link;
mod plain;
mod secure;

use std::{net::SocketAddr, sync::Arc};

use networkdb_core::machine::{Endpoint, Fault, Input, Machine, StreamId, StreamInput};
use tokio::net::TcpStream;

pub(crate) use self::link::Link;
use crate::{
    dial::{dial, fault},
    shared::Shared,
    tls::{Role, Tls},
};

/// A connection's task.
pub(crate) struct Connection<M> {
    pub(crate) link: Arc<Link>,
    pub(crate) shared: Arc<Shared<M>>,
    /// Streams are encrypted if it is there.
    pub(crate) tls: Option<Tls>,
}

impl<M: Machine> Connection<M> {
    /// Dials, then runs until the stream is over.
    pub(crate) async fn dial(self, endpoint: Endpoint) -> StreamId {
        let work = async {
            let stream = dial(&endpoint).await?;
            let at = stream.peer_addr().map_err(|error| fault(&error))?;
            self.serve(stream, at, Role::Dialled).await
        };
        self.end(work.await)
    }

    /// Runs a stream accepted until it is over.
    pub(crate) async fn accept(self, stream: TcpStream, from: SocketAddr) -> StreamId {
        self.end(self.serve(stream, from, Role::Accepted).await)
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr, role: Role) -> Result<(), Fault> {
        // Without it small replies wait for the peer's delayed acknowledgement; slower, not wrong.
        let _ = stream.set_nodelay(true);
        let session = match &self.tls {
            Some(tls) => Some(tls.handshake(&stream, peer, role).await?),
            None => None,
        };
        if role == Role::Dialled {
            self.tell(StreamInput::Opened { at: peer });
        }
        match session {
            Some(session) => self.serve_secure(session, &stream).await,
            None => self.serve_plain(stream).await,
        }
    }

    fn end(&self, result: Result<(), Fault>) -> StreamId {
        if let Err(fault) = result {
            self.tell(StreamInput::Failed(fault));
        }
        self.link.id
    }

    fn peer_finished(&self) {
        self.link.state().peer_finished = true;
        self.tell(StreamInput::Finished);
    }

    fn tell(&self, news: StreamInput<'_>) {
        self.shared.handle(Input::Stream(self.link.id, news));
    }
}
