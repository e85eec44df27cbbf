//! Descriptors that are readable while there is something: Linux's `eventfd`.

use networkdb_embed::{Code, Signal};

#[cfg(target_os = "linux")]
pub(crate) use linux::Descriptor;
#[cfg(not(target_os = "linux"))]
pub(crate) use nowhere::Descriptor;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::{AsRawFd, OwnedFd};

    use rustix::event::{EventfdFlags, eventfd};

    use super::{Code, Signal};

    /// Readable between [`Signal::raise`] and [`Signal::clear`].
    #[derive(Debug)]
    pub(crate) struct Descriptor(OwnedFd);

    impl Descriptor {
        pub(crate) fn new() -> Result<Self, Code> {
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map(Self).map_err(|_| Code::System)
        }

        pub(crate) fn number(&self) -> i32 {
            self.0.as_raw_fd()
        }
    }

    impl Signal for Descriptor {
        fn raise(&self) {
            // It can only fail by being readable 2^64 times already.
            let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
        }

        fn clear(&self) {
            // It can only fail by being clear already.
            let _ = rustix::io::read(&self.0, &mut [0; 8]);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod nowhere {
    use super::{Code, Signal};

    /// There is none.
    #[derive(Debug)]
    pub(crate) enum Descriptor {}

    impl Descriptor {
        pub(crate) fn new() -> Result<Self, Code> {
            Err(Code::Unsupported)
        }

        pub(crate) fn number(&self) -> i32 {
            match *self {}
        }
    }

    impl Signal for Descriptor {
        fn raise(&self) {}
        fn clear(&self) {}
    }
}
