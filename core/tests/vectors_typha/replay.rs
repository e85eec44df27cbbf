//! Recorded conversations replayed: our client takes the place of the recorded one, our server that of the other.
//!
//! Both are given the recorded bytes at the recorded times, and must say the recorded messages in the recorded order.
//! Where they do not, [`differences`] says why.

mod client;
mod differences;
mod recorded;
mod server;
mod view;

use std::fs;

use networkdb_core::syncproto::client::Tracking;

use crate::{
    streams::Cut,
    support::{folder, same},
};
use differences::Seen;
use recorded::{Capture, Said};

#[test]
fn recorded_conversations_go_the_same_way_with_ours() {
    let files = fs::read_dir(folder("typha")).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let (mut seen, mut failures) = (Seen::default(), Vec::new());
    let names = recorded::names(&files);
    assert!(!names.is_empty(), "no captures");
    println!("{:30} side   callbacks messages updates pings end", "capture");
    for name in &names {
        if let Err(error) = replay(name, &mut seen) {
            failures.push(format!("{name}: {error}"));
        }
    }
    assert!(failures.is_empty(), "{} of {} failed:\n{}", failures.len(), names.len(), failures.join("\n"));
    println!("{} captures replayed, each in {} cuts; differences:", names.len(), Cut::ALL.len());
    let unseen = seen.report();
    assert!(unseen.is_empty(), "never met: {unseen:?}");
}

fn replay(name: &str, seen: &mut Seen) -> Result<(), String> {
    let capture = Capture::load(name)?;
    for cut in Cut::ALL {
        let in_cut = |of: &str, error: String| format!("{of}, cut {cut:?}: {error}");
        for tracking in [Tracking::None, Tracking::Keys, Tracking::Values] {
            let client = client::replay(&capture, cut, tracking, seen)
                .map_err(|error| in_cut(&format!("client, tracking {tracking:?}"), error))?;
            if let (Cut::Whole, Tracking::None) = (cut, tracking) {
                print(name, "client", &client);
            }
        }
        let server = server::replay(&capture, cut, seen).map_err(|error| in_cut("server", error))?;
        if let Cut::Whole = cut {
            print(name, "server", &server);
        }
    }
    Ok(())
}

/// How a capture went with one of ours, and what of it was checked.
struct Replayed {
    callbacks: usize,
    messages: usize,
    updates: usize,
    /// Pings sent or answered.
    pings: usize,
    /// Why the connection ended, if ours ended it or saw its end.
    ended: String,
}

fn print(name: &str, side: &str, replayed: &Replayed) {
    let Replayed { callbacks, messages, updates, pings, ended } = replayed;
    println!("{name:30} {side} {callbacks:9} {messages:8} {updates:7} {pings:5} {ended}");
}

/// Compares messages, but not the names of connections, which are random: only whether there is one.
fn same_messages<'a>(found: impl Iterator<Item = &'a Said>, wanted: &[Said]) -> Result<(), String> {
    let named = |said: &Said| {
        let mut shown = said.shown.clone();
        for field in ["ClientConnID", "ServerConnID"] {
            if let Some(id) = shown["msg"].get_mut(field).filter(|id| *id != "0") {
                *id = "some".into();
            }
        }
        shown
    };
    let (found, wanted): (Vec<_>, Vec<_>) = (found.map(named).collect(), wanted.iter().map(named).collect());
    for (number, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        same(&format!("message {number}"), found, wanted)?;
    }
    same("number of messages", &found.len(), &wanted.len())
}
