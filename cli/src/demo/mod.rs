//! The demo: three nodes on this machine, two networks, rows written at a steady rate.

mod cluster;
mod latency;
mod screen;

use std::time::{Duration, Instant};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{args::DemoArgs, failure::Failure};
use cluster::Cluster;
use screen::Screen;

/// How long the nodes may take to agree after the last row.
const SETTLING: Duration = Duration::from_secs(20);
/// How often the screen is drawn.
const FRAME: Duration = Duration::from_millis(500);

/// Runs the demo; fails unless all nodes hold equal tables at its end.
pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    // From the first word on, and once: it keeps what comes while nobody waits for it.
    let mut interrupt = signal(SignalKind::interrupt())
        .map_err(|error| Failure::agent(format!("cannot wait for ctrl-c: {error}")))?;
    let mut screen = Screen::new();
    screen.line("three nodes on loopback, sealed with a random AES-256 key; ctrl-c ends the demo");
    let mut cluster = Cluster::start().await?;
    write_rows(&mut cluster, &mut screen, &args, &mut interrupt).await?;
    let begun = Instant::now();
    let mut view = cluster.view();
    while !view.agreed && begun.elapsed() < SETTLING {
        sleep(Duration::from_millis(50)).await;
        view = cluster.view();
    }
    screen.draw(&view);
    screen.summary(&view);
    cluster.stop().await;
    if view.agreed {
        Ok(())
    } else {
        Err(Failure::agent(format!(
            "the nodes hold different tables {} s after the last row",
            SETTLING.as_secs()
        )))
    }
}

/// Until the time is over or ctrl-c is pressed.
async fn write_rows(
    cluster: &mut Cluster,
    screen: &mut Screen,
    args: &DemoArgs,
    interrupt: &mut Signal,
) -> Result<(), Failure> {
    let end = sleep(args.duration.unwrap_or(Duration::MAX / 4));
    tokio::pin!(end);
    let mut writes = interval(Duration::from_secs(1) / args.rate.max(1));
    writes.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut frames = interval(FRAME);
    loop {
        tokio::select! {
            () = &mut end => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = writes.tick() => cluster.write().await?,
            _ = frames.tick() => screen.draw(&cluster.view()),
        }
    }
}
