//! Serves whoever comes, bounded in number, size and time.

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::DefaultBodyLimit, middleware};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::host::{self, Hosts};

/// How long to accept nothing after the system refused.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What clients may take up.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Connections at once; further ones wait to be accepted.
    connections: usize,
    /// Bytes of the head of a request. Its first line may hold a value.
    head: usize,
    /// Bytes of the body of a request: a form.
    body: usize,
    /// How long the head of a request may take.
    head_time: Duration,
    /// How long a request and its reply may take.
    time: Duration,
}

const BOUNDS: Bounds = Bounds {
    connections: 64,
    head: 256 << 10,
    body: 2 << 20,
    head_time: Duration::from_secs(5),
    time: Duration::from_secs(60),
};

/// Serves `router` until dropped. Hosts other than loopback and the address connected to must be among `hosts`.
pub(crate) async fn serve(listener: &TcpListener, router: Router, hosts: Arc<[String]>) {
    serve_within(BOUNDS, listener, router, hosts).await;
}

async fn serve_within(bounds: Bounds, listener: &TcpListener, router: Router, hosts: Arc<[String]>) {
    let router = router.layer(DefaultBodyLimit::max(bounds.body));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < bounds.connections => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(answer(bounds, stream, router.clone(), Arc::clone(&hosts)));
                }
                Err(error) => {
                    tracing::warn!("an HTTP client could not be accepted: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One request a connection: so its end can be bounded without cutting a later request off.
async fn answer(bounds: Bounds, stream: TcpStream, router: Router, hosts: Arc<[String]>) {
    let Ok(local) = stream.local_addr() else { return };
    let router = router.layer(middleware::from_fn_with_state(Hosts::new(local, hosts), host::check));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_time)
        .max_buf_size(bounds.head)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // What a client did wrong is its own affair.
    let _ = timeout(bounds.time, connection).await;
}

#[cfg(test)]
mod tests {
    use axum::{Form, routing::any};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A test that waits this long has failed.
    const PATIENCE: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(50);

    /// A listener within `bounds`; what it serves takes a form, or for ever.
    async fn start(bounds: Bounds) -> std::net::SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("its address");
        let form = |Form(form): Form<Vec<(String, String)>>| async move { form.len().to_string() };
        let never = || std::future::pending::<()>();
        let router = Router::new().route("/form", any(form)).route("/never", any(never));
        tokio::spawn(async move { serve_within(bounds, &listener, router, Arc::from([])).await });
        addr
    }

    /// All that comes after `text` was sent, until the end.
    async fn exchange(addr: std::net::SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(addr).await.expect("it answers");
        // It may be refused before all of it is sent.
        let _ = stream.write_all(text.as_bytes()).await;
        read(&mut stream).await
    }

    async fn read(stream: &mut TcpStream) -> String {
        let mut reply = Vec::new();
        // What came before an error is the reply.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut reply)).await.expect("an end in time");
        String::from_utf8_lossy(&reply).into_owned()
    }

    fn post(body: usize) -> String {
        let head =
            "POST /form HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n";
        format!("{head}Content-Length: {body}\r\n\r\n{}", "a".repeat(body))
    }

    #[tokio::test]
    async fn a_head_or_a_body_that_is_too_long_is_refused() {
        let addr = start(Bounds { head: 10_000, body: 1000, ..BOUNDS }).await;
        assert!(exchange(addr, &post(1000)).await.starts_with("HTTP/1.1 200"));
        assert!(exchange(addr, &post(1001)).await.starts_with("HTTP/1.1 413"));
        let get = |len| format!("GET /form?{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(len));
        assert!(exchange(addr, &get(9000)).await.starts_with("HTTP/1.1 200"));
        assert!(exchange(addr, &get(20_000)).await.starts_with("HTTP/1.1 431"));
    }

    #[tokio::test]
    async fn a_head_that_does_not_come_ends_the_connection() {
        let addr = start(Bounds { head_time: SHORT, ..BOUNDS }).await;
        for begun in ["", "GET /form HTT"] {
            let reply = exchange(addr, begun).await;
            assert!(!reply.contains("200"), "{reply}");
        }
    }

    #[tokio::test]
    async fn a_request_that_takes_too_long_ends() {
        let addr = start(Bounds { time: SHORT, ..BOUNDS }).await;
        assert_eq!(exchange(addr, "GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n").await, "");
        let all = post(1000);
        assert_eq!(exchange(addr, all.split_at(900).0).await, "");
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_wait_until_others_end() {
        let addr = start(Bounds { connections: 2, ..BOUNDS }).await;
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(addr).await.expect("it answers");
            stream.write_all(b"GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
            held.push(stream);
        }
        let mut waiting = TcpStream::connect(addr).await.expect("the system answers");
        waiting.write_all(post(10).as_bytes()).await.expect("sent");
        timeout(Duration::from_millis(300), waiting.readable()).await.expect_err("it waits");
        held.pop();
        assert!(read(&mut waiting).await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn another_host_is_forbidden() {
        let addr = start(BOUNDS).await;
        let get = |host: &str| format!("GET /form HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert!(exchange(addr, &get(&addr.to_string())).await.starts_with("HTTP/1.1 200"));
        let refused = exchange(addr, &get("evil.example")).await;
        assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("--http-host"), "{refused}");
    }
}
