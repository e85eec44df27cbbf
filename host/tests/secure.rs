//! The driver over TLS, with a toy machine and certificates of the test's own.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod certificates;
mod toy;

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr},
    sync::Arc,
    time::Duration,
};

use certificates::{Authority, load};
use networkdb_core::machine::{Fault, StreamId};
use networkdb_host::{Listener, Ports, Refusal, Tls, TlsSettings};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use toy::{Event, Node, finished, start_dialler, start_on, within};

const FIVE_MEGABYTES: usize = 5 << 20;
/// What a stream may have handed over, with the piece that may overshoot.
const WINDOW: usize = (256 + 64) << 10;
const URI: &str = "spiffe://cluster.local/ns/calico/sa/felix";

/// A CA that has issued `server` and `client`, the latter with a URI.
fn authority() -> Authority {
    let authority = Authority::new("the CA");
    authority.issue("server", None);
    authority.issue("client", Some(URI));
    authority
}

fn server(tls: Tls) -> Node {
    let listener = Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
    start_on(listener.local_addr(), Ports::from(listener).secured(Some(tls)))
}

fn client(tls: Tls) -> Node {
    start_dialler(Ports::default().secured(Some(tls)))
}

/// A server and a client that want each other.
fn pair() -> (Node, Node) {
    let authority = authority();
    let server = server(load(&authority.settings("server", "client")));
    let client = client(load(&authority.settings("client", "server")));
    (server, client)
}

async fn refusal(from: &mut tokio::sync::broadcast::Receiver<Refusal>) -> String {
    within(from.recv()).await.expect("a refusal").reason
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_megabytes_each_way_through_one_stream() {
    let (server, client) = pair();
    server.with(|toy, _| toy.greet = FIVE_MEGABYTES);
    client.with(|toy, _| {
        let id = toy.open(server.addr.into());
        toy.write(id, FIVE_MEGABYTES);
        toy.finish(id);
    });
    let (at_client, at_server) = tokio::join!(finished(&client, StreamId(2)), finished(&server, StreamId(1)));
    assert_eq!((at_client, at_server), (FIVE_MEGABYTES, FIVE_MEGABYTES));
    for node in [&client, &server] {
        let all_sent = async {
            while !node.shared().read(toy::Toy::all_sent) {
                tokio::task::yield_now().await;
            }
        };
        within(all_sent).await;
        assert!(node.shared().read(|toy| toy.intact), "bytes came in order");
    }
}

/// Passes bytes on in cuts of `cut` bytes.
async fn relay(to: SocketAddr, cut: usize) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        let (near, _) = listener.accept().await.expect("a connection");
        let far = TcpStream::connect(to).await.expect("the server");
        for socket in [&near, &far] {
            socket.set_nodelay(true).expect("a socket");
        }
        let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
        tokio::join!(pass(near_read, far_write, cut), pass(far_read, near_write, cut));
    });
    addr
}

async fn pass(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, cut: usize) {
    let mut buffer = vec![0; cut];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
    // The end passes too; the other side may have gone.
    let _ = to.shutdown().await;
}

#[tokio::test]
async fn cuts_of_the_records_mean_nothing() {
    for cut in [1, 7, 1000, 20_000] {
        let (server, client) = pair();
        let through = relay(server.addr, cut).await;
        let count = cut * 50 + 40_000;
        server.with(|toy, _| toy.greet = count);
        client.with(|toy, _| {
            let id = toy.open(through.into());
            toy.write(id, count);
            toy.finish(id);
        });
        assert_eq!(finished(&server, StreamId(1)).await, count);
        assert_eq!(finished(&client, StreamId(2)).await, count);
        assert!(server.shared().read(|toy| toy.intact) && client.shared().read(|toy| toy.intact));
    }
}

#[tokio::test]
async fn many_small_writes_arrive_as_written() {
    let (server, client) = pair();
    client.with(|toy, _| {
        let id = toy.open(server.addr.into());
        for _ in 0..1000 {
            toy.write(id, 3);
        }
        toy.finish(id);
    });
    assert_eq!(finished(&server, StreamId(1)).await, 3000);
    assert!(server.shared().read(|toy| toy.intact));
}

#[tokio::test]
async fn a_client_with_another_name_is_refused_and_both_sides_say_why() {
    let authority = authority();
    let (wants, tls) =
        (load(&authority.settings("server", "felix")), load(&authority.settings("client", "server")));
    let (mut at_server, mut at_client) = (wants.refusals(), tls.refusals());
    let (server, client) = (server(wants), client(tls));
    let id = client.with(|toy, _| toy.open(server.addr.into()));
    server.until(&Event::Failed(StreamId(1), Fault::Untrusted)).await;
    client.until(&Event::Failed(id, Fault::Untrusted)).await;
    let reason = refusal(&mut at_server).await;
    assert!(reason.contains(&format!("CN `client` and URI SAN `{URI}`; wanted is CN `felix`")), "{reason}");
    let reason = refusal(&mut at_client).await;
    assert!(reason.starts_with("the other side refuses us"), "{reason}");
}

#[tokio::test]
async fn a_server_with_another_name_is_refused_before_the_machine_hears_of_it() {
    let authority = authority();
    let tls = load(&authority.settings("client", "typha"));
    let mut refusals = tls.refusals();
    let (server, client) = (server(load(&authority.settings("server", "client"))), client(tls.clone()));
    let id = client.with(|toy, _| toy.open(server.addr.into()));
    assert_eq!(client.event().await, Event::Failed(id, Fault::Untrusted));
    let reason = refusal(&mut refusals).await;
    assert_eq!(
        reason,
        "the other side's certificate: it has CN `server` and no URI SAN; wanted is CN `typha`"
    );
    assert_eq!(tls.refused(), 1);
}

#[tokio::test]
async fn a_uri_suffices_alone_and_beside_a_wrong_common_name() {
    let authority = authority();
    for peer_cn in [None, Some("somebody".to_owned())] {
        let uri = Some(URI.to_owned());
        let wants = TlsSettings { peer_cn, peer_uri_san: uri, ..authority.settings("server", "") };
        let server = server(load(&wants));
        let client = client(load(&authority.settings("client", "server")));
        client.with(|toy, _| {
            let id = toy.open(server.addr.into());
            toy.write(id, 9);
            toy.finish(id);
        });
        assert_eq!(finished(&server, StreamId(1)).await, 9);
    }
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_refused_on_either_side() {
    let (ours, theirs) = (authority(), authority());
    let server = server(load(&ours.settings("server", "client")));
    let stranger = client(load(&TlsSettings { ca: Some(ours.ca()), ..theirs.settings("client", "server") }));
    stranger.with(|toy, _| toy.open(server.addr.into()));
    server.until(&Event::Failed(StreamId(1), Fault::Untrusted)).await;
    let doubter = client(load(&TlsSettings { ca: Some(theirs.ca()), ..ours.settings("client", "server") }));
    let id = doubter.with(|toy, _| toy.open(server.addr.into()));
    assert_eq!(doubter.event().await, Event::Failed(id, Fault::Untrusted));
}

/// A client that is not ours; whether it shows a certificate, and the versions it speaks.
fn foreign_client(
    authority: &Authority,
    shows: bool,
    version: &'static rustls::SupportedProtocolVersion,
) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.ca()).expect("the CA")).expect("usable");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots);
    let config = if shows {
        let certificate =
            CertificateDer::from_pem_file(authority.file("client.pem")).expect("the certificate");
        let key = PrivateKeyDer::from_pem_file(authority.file("client.key")).expect("the key");
        config.with_client_auth_cert(vec![certificate], key).expect("a pair")
    } else {
        config.with_no_client_auth()
    };
    // This client does look for the host name.
    let name = ServerName::try_from("typha.example").expect("a name");
    ClientConnection::new(Arc::new(config), name).expect("a client")
}

/// Dials, says three bytes, ends, and reads to the end.
fn exchange(client: ClientConnection, addr: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = StreamOwned::new(client, std::net::TcpStream::connect(addr)?);
    stream.write_all(&toy::pattern(0, 3))?;
    stream.conn.send_close_notify();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    Ok(reply)
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let authority = Authority::new("the CA");
    authority.issue("server", None);
    authority.issue_for_host("typha.example");
    let tls = load(&authority.settings("typha.example", "client"));
    let mut refusals = tls.refusals();
    let server = server(tls);
    let client = foreign_client(&authority, false, &rustls::version::TLS13);
    let addr = server.addr;
    let result = within(tokio::task::spawn_blocking(move || exchange(client, addr))).await.expect("ended");
    assert!(result.expect_err("refused").to_string().contains("CertificateRequired"));
    server.until(&Event::Failed(StreamId(1), Fault::Untrusted)).await;
    assert_eq!(refusal(&mut refusals).await, "the other side shows no certificate");
}

#[tokio::test]
async fn tls_1_2_is_spoken_too_and_its_half_close_lets_the_reply_through() {
    let authority = authority();
    authority.issue_for_host("typha.example");
    let server = server(load(&authority.settings("typha.example", "client")));
    server.with(|toy, _| toy.greet = 100_000);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = foreign_client(&authority, true, version);
        let addr = server.addr;
        let reply = within(tokio::task::spawn_blocking(move || exchange(client, addr))).await.expect("ended");
        assert_eq!(reply.expect("a reply"), toy::pattern(0, 100_000));
        let Event::Finished(_, 3) = server.event().await else { panic!("three bytes and the end") };
    }
}

#[tokio::test]
async fn one_that_never_finishes_its_handshake_delays_nobody_and_has_a_deadline() {
    let authority = authority();
    let settings = authority.settings("server", "client");
    let impatient = TlsSettings { handshake_timeout: Duration::from_millis(300), ..settings };
    let server = server(load(&impatient));
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(server.addr).await.expect("accepted"));
    }
    let client = client(load(&authority.settings("client", "server")));
    client.with(|toy, _| {
        let id = toy.open(server.addr.into());
        toy.write(id, 5);
        toy.finish(id);
    });
    let mut timed_out = 0;
    loop {
        match server.event().await {
            Event::Finished(_, count) => break assert_eq!(count, 5),
            Event::Failed(_, Fault::TimedOut) => timed_out += 1,
            other => panic!("{other:?}"),
        }
    }
    while timed_out < silent.len() {
        let Event::Failed(_, fault) = server.event().await else { panic!("only these are left") };
        assert_eq!(fault, Fault::TimedOut);
        timed_out += 1;
    }
}

#[tokio::test]
async fn one_that_does_not_speak_tls_is_told_apart() {
    let authority = authority();
    let tls = load(&authority.settings("server", "client"));
    let mut refusals = tls.refusals();
    let server = server(tls);
    let mut plain = TcpStream::connect(server.addr).await.expect("accepted");
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("taken");
    assert!(refusal(&mut refusals).await.starts_with("the other side does not speak TLS"));
    server.until(&Event::Failed(StreamId(1), Fault::Untrusted)).await;
}

#[tokio::test]
async fn a_stream_cut_off_without_a_word_that_it_ends_has_broken() {
    let authority = authority();
    authority.issue_for_host("typha.example");
    let server = server(load(&authority.settings("typha.example", "client")));
    let client = foreign_client(&authority, true, &rustls::version::TLS13);
    let addr = server.addr;
    let cut = move || -> std::io::Result<()> {
        let mut stream = StreamOwned::new(client, std::net::TcpStream::connect(addr)?);
        stream.write_all(&toy::pattern(0, 3))?;
        // All was read and nothing is said: anybody on the way could do that.
        stream.sock.shutdown(Shutdown::Write)?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    };
    within(tokio::task::spawn_blocking(cut)).await.expect("ended").expect("the server says that it ends");
    assert_eq!(server.event().await, Event::Failed(StreamId(1), Fault::Reset));
}

#[tokio::test]
async fn a_paused_reader_holds_the_writer_to_its_window_and_goes_on() {
    let (server, client) = pair();
    let total = 32 << 20;
    server.with(|toy, _| toy.pause_after = Some(1));
    let id = client.with(|toy, _| {
        let id = toy.open(server.addr.into());
        toy.write(id, total);
        toy.finish(id);
        id
    });
    while !matches!(server.event().await, Event::Paused(_)) {}
    for _ in 0..50 {
        tokio::task::yield_now().await;
        let held = client.shared().read(|toy| toy.in_flight(id));
        assert!(held <= WINDOW, "{held} bytes handed over");
    }
    assert!(!client.shared().read(toy::Toy::all_sent), "the writer waits");
    server.with(|toy, _| toy.resume(StreamId(1)));
    assert_eq!(finished(&server, StreamId(1)).await, total);
}

#[tokio::test]
async fn wrong_settings_say_what_is_wrong_where_and_what_to_do() {
    let authority = authority();
    let good = || authority.settings("server", "client");
    let error = |settings: TlsSettings| settings.load().expect_err("refused").to_string();
    assert!(TlsSettings::default().load().expect("nothing is wrong").is_none());

    let incomplete = TlsSettings { ca: None, peer_cn: Some(String::new()), ..good() };
    assert_eq!(
        error(incomplete),
        "TLS is not complete: also give the CA and the CN or URI SAN of the other side"
    );
    let missing = authority.file("missing.pem");
    assert_eq!(
        error(TlsSettings { cert: Some(missing.clone()), ..good() }),
        format!(
            "cannot read the TLS certificate from {}: No such file or directory (os error 2)",
            missing.display()
        )
    );
    let key = authority.file("server.key");
    assert_eq!(
        error(TlsSettings { ca: Some(key.clone()), ..good() }),
        format!(
            "cannot use the certificate of the CA in {}: no `BEGIN CERTIFICATE` in it; give a file in PEM form, or another",
            key.display()
        )
    );
    let other = authority.file("client.key");
    assert!(
        error(TlsSettings { key: Some(other.clone()), ..good() })
            .starts_with(&format!("the TLS key in {} is not that of the certificate", other.display()))
    );
}
