//! What a process has used, as the kernel counts it.

use std::{fs, io::ErrorKind, time::Duration};

use crate::Failure;

/// Memory and processor time of one process.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Resident memory, in bytes.
    pub memory: u64,
    /// On a processor, all living threads together.
    pub processor: Duration,
}

impl Usage {
    /// Of the process with this number.
    pub fn of(process: u32) -> Result<Self, Failure> {
        Ok(Self { memory: memory(process)?, processor: processor(process)? })
    }
}

fn memory(process: u32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    let kilobytes: u64 = kilobytes.ok_or("the kernel does not tell the resident memory")?.parse()?;
    Ok(kilobytes * 1024)
}

/// In nanoseconds by thread; the sum over the process comes in ticks of 10 ms alone.
fn processor(process: u32) -> Result<Duration, Failure> {
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let counted = match fs::read_to_string(thread?.path().join("schedstat")) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue, // it has just ended
            counted => counted?,
        };
        let nanoseconds = counted.split(' ').next().ok_or("the kernel does not count processor time")?;
        sum += Duration::from_nanos(nanoseconds.parse()?);
    }
    Ok(sum)
}
