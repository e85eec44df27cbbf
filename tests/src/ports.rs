//! Free addresses on loopback, and children that do not hold them.

use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    process::{Child, Command},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

/// Below the ports which systems give to outgoing connections, so that none of those takes one meanwhile.
const FIRST: u32 = 12_000;
const COUNT: u32 = 18_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Held while a port is tried and while a child starts. Until it executes its program, a child has copies of all our
/// sockets: a port that was tried just then would still be in use when it is to be taken.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a child; all children of these tests are started so.
///
/// # Panics
/// When it cannot be started.
pub fn spawn(command: &mut Command) -> Child {
    let _alone = alone();
    command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"))
}

/// An address whose port is free for UDP and TCP, given out once in this process. Where the search begins differs
/// between processes.
pub fn free_addr() -> SocketAddr {
    let start = std::process::id().wrapping_mul(199);
    (0..COUNT)
        .map(|_| start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT + FIRST)
        .map(|port| SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap())))
        .find(is_free)
        .expect("no port is free on loopback")
}

fn is_free(addr: &SocketAddr) -> bool {
    let _alone = alone();
    TcpListener::bind(addr).is_ok() && UdpSocket::bind(addr).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::atomic::AtomicBool, thread};

    #[test]
    fn a_free_address_can_be_taken_while_programs_start() {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        assert!(spawn(&mut Command::new("true")).wait().unwrap().success());
                    }
                });
            }
            let taken = scope.spawn(|| (0..3_000).all(|_| is_free(&free_addr()))).join();
            done.store(true, Ordering::Relaxed);
            assert!(taken.unwrap(), "an address given out as free is in use");
        });
    }
}
