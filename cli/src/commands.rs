//! The commands that speak to a running agent.

use std::{path::Path, time::Duration};

use indicatif::ProgressBar;
use serde_json::Value;

use crate::{
    args::{ClientCommand, Form, KeyCommand, MemberCommand, NetworkCommand, TableCommand, TableOf},
    client::Client,
    failure::Failure,
    input,
    output::{Columns, MEMBERS, NETWORKS, PEERS, Printer, ROWS},
    protocol::{Key, Load, Op, Table, Watch, Write},
};

/// Commands that take longer show that something goes on.
const IMPATIENCE: Duration = Duration::from_secs(1);

/// What is printed of an answer.
enum Show {
    Nothing,
    /// Each element of the field of that name.
    List(&'static str, Columns),
    /// The answer itself.
    One(Columns),
    /// Its fields, one a line.
    Fields,
}

/// Runs a command against the agent at `socket`.
pub(crate) async fn run(command: ClientCommand, socket: &Path, form: Form) -> Result<(), Failure> {
    let mut printer = Printer::new(form);
    let (op, show) = request(command)?;
    let mut client = Client::connect(socket).await?;
    let answer = with_progress(&op, client.ask(&op)).await?;
    match show {
        Show::Nothing => Ok(()),
        Show::List(field, columns) => printer.list(elements(&answer, field), columns),
        Show::One(columns) => printer.list(vec![answer], columns),
        Show::Fields => printer.fields(answer),
    }?;
    if matches!(op, Op::Watch(_)) { watch(&mut client, &mut printer).await } else { Ok(()) }
}

fn request(command: ClientCommand) -> Result<(Op, Show), Failure> {
    Ok(match command {
        ClientCommand::Member(MemberCommand::List) => (Op::Members, Show::List("members", MEMBERS)),
        ClientCommand::Member(MemberCommand::Join { members }) => {
            (Op::Join { members: members.iter().map(ToString::to_string).collect() }, Show::Fields)
        }
        ClientCommand::Network(NetworkCommand::Join { network }) => {
            (Op::NetworkJoin { network }, Show::Nothing)
        }
        ClientCommand::Network(NetworkCommand::Leave { network }) => {
            (Op::NetworkLeave { network }, Show::Nothing)
        }
        ClientCommand::Network(NetworkCommand::List) => (Op::Networks, Show::List("networks", NETWORKS)),
        ClientCommand::Network(NetworkCommand::Peers { network }) => {
            (Op::Peers { network }, Show::List("peers", PEERS))
        }
        ClientCommand::Table(command) => table(command)?,
        ClientCommand::Key(command) => (key(command)?, Show::Nothing),
        ClientCommand::Watch { network, table } => {
            (Op::Watch(Watch { network, table, mark: false, own: false }), Show::Nothing)
        }
        ClientCommand::Stats => (Op::Stats, Show::Fields),
        ClientCommand::Leave => (Op::Leave, Show::Nothing),
    })
}

fn table(command: TableCommand) -> Result<(Op, Show), Failure> {
    let key = |of: TableOf, key| Key { network: of.network, table: of.table, key };
    let table = |of: TableOf| Table { network: of.network, table: of.table };
    Ok(match command {
        TableCommand::Put { of, key: name, value } => {
            let value_hex = hex::encode(input::value(&value)?);
            (Op::Put(Write { key: key(of, name), value_hex }), Show::Nothing)
        }
        TableCommand::Delete { of, key: name } => (Op::Delete(key(of, name)), Show::Nothing),
        TableCommand::Get { of, key: name } => (Op::Get(key(of, name)), Show::One(ROWS)),
        TableCommand::List { of, all } => (Op::List { of: table(of), all }, Show::List("rows", ROWS)),
        TableCommand::Load { of, count, size, prefix } => {
            (Op::Load(Load { of: table(of), prefix, count, size }), Show::Fields)
        }
        TableCommand::Digest { of } => (Op::Digest(table(of)), Show::Fields),
    })
}

fn key(command: KeyCommand) -> Result<Op, Failure> {
    let checked = |text: &str| text.parse::<input::Key>().map(|key| key.to_hex()).map_err(Failure::usage);
    Ok(match command {
        KeyCommand::Add { hex } => Op::KeyAdd { key_hex: checked(&hex)? },
        KeyCommand::Use { hex } => Op::KeyUse { key_hex: checked(&hex)? },
        KeyCommand::Remove { hex } => Op::KeyRemove { key_hex: checked(&hex)? },
    })
}

/// The elements of a list; peers, which are mere names, become objects.
fn elements(answer: &Value, field: &str) -> Vec<Value> {
    let list = answer.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let named = |name: Value| {
        let addr = name.as_str().and_then(|name| answer.get("addrs")?.get(name)).cloned().unwrap_or_default();
        serde_json::json!({ "name": name, "addr": addr })
    };
    list.into_iter().map(|element| if element.is_string() { named(element) } else { element }).collect()
}

/// Prints changes until interrupted, until nobody reads them, or until the agent ends.
async fn watch(client: &mut Client, printer: &mut Printer) -> Result<(), Failure> {
    // One for all lines: a new one would not know of what came while a line was printed.
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    loop {
        tokio::select! {
            interrupted = &mut interrupt => {
                return interrupted.map_err(|error| Failure::agent(format!("cannot wait for ctrl-c: {error}")));
            }
            line = client.line() => match line? {
                Some(change) => printer.change(change)?,
                None => return Err(Failure::Unreachable("the agent has ended, and the watch with it".to_owned())),
            }
        }
    }
}

/// Shows on a terminal that something goes on once it takes longer than a second.
async fn with_progress<T>(op: &Op, work: impl Future<Output = T>) -> T {
    let what = match op {
        Op::Join { .. } => "joining",
        Op::NetworkJoin { .. } => "fetching the rows of the network",
        Op::Load(_) => "writing rows",
        Op::Leave => "saying goodbye",
        _ => return work.await,
    };
    tokio::pin!(work);
    tokio::select! {
        result = &mut work => return result,
        () = tokio::time::sleep(IMPATIENCE) => {}
    }
    // It draws on stderr, and only if that is a terminal.
    let bar = ProgressBar::new_spinner().with_message(what);
    bar.enable_steady_tick(Duration::from_millis(120));
    let result = work.await;
    bar.finish_and_clear();
    result
}
