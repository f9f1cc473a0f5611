//! Pictures from the web: their addresses, redirects, and proxies on the way.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod fake;

use fake::Fake;
use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::{Command, Output},
    sync::{Arc, Mutex},
    thread,
};

/// The variables that say which proxy to use, and for what not to.
const VARIABLES: [&str; 8] =
    ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"];

/// A picture, as the fake coordinator wants it.
const PICTURE: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nok 0";
const MISSING: &[u8] = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// A web server, or a proxy.
struct Web {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// One that answers what `answer` makes of the first line of a request without its version.
    fn start(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut lines = BufReader::new(stream.unwrap());
                let mut first = String::new();
                lines.read_line(&mut first).unwrap();
                let mut line = String::new();
                while lines.read_line(&mut line).unwrap() > 2 {
                    line.clear();
                }
                let request = first.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
                let answer = answer(&request);
                seen.lock().unwrap().push(request);
                // Who does not wait for the answer is no concern of the server.
                let _ = lines.get_mut().write_all(&answer);
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn redirect(location: &[u8]) -> Vec<u8> {
    let head = b"HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: ";
    [&head[..], location, b"\r\n\r\n"].concat()
}

/// `cox predict ADDRESS`, with some of the variables.
fn predict(fake: &Fake, address: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cox"));
    command.args(["--coordinator", &fake.url, "predict", address]);
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command.envs(variables.iter().copied()).output().unwrap()
}

/// What is said of a picture that cannot be had, without the picture's name.
fn failure(output: &Output, address: &str) -> String {
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    text.trim_end().strip_prefix(&format!("cox: {address}: ")).unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn addresses_are_sent_as_browsers_send_them() {
    let fake = Fake::start(Vec::new());
    let web = Web::start(|_| PICTURE.to_vec());
    for (typed, sent) in [
        ("/my cat ü.png?x=a b#part", "/my%20cat%20%C3%BC.png?x=a%20b"),
        ("/a/../b/./c%20d%fc.png", "/b/c%20d%fc.png"),
        ("/\"<猫>\"`{|}^.png?q='\"<`ü`>", "/%22%3C%E7%8C%AB%3E%22%60%7B|%7D^.png?q=%27%22%3C`%C3%BC`%3E"),
        (r"\one\two.png", "/one/two.png"),
        ("?only=a query", "/?only=a%20query"),
        ("", "/"),
    ] {
        let output = predict(&fake, &format!("http://{}{typed}", web.address), &[]);
        assert!(output.status.success(), "{output:?}");
        let [request] = &web.requests()[..] else { panic!("one request") };
        // Whether a circumflex is encoded is of no consequence, and has changed in the standard.
        assert_eq!(request.replace("%5E", "^"), format!("GET {sent}"), "{typed}");
    }
    let output = predict(&fake, &format!("  HTTP://{}/a.png ", web.address), &[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(web.requests(), ["GET /a.png"]);
}

#[test]
fn what_is_no_address() {
    let fake = Fake::start(Vec::new());
    for address in ["http://", "http://a b/c.png", "http://[::1/c.png", "http://h:99999/c.png"] {
        let why = failure(&predict(&fake, address, &[]), address);
        assert!(why.starts_with("this is no address of a picture: "), "{why}");
    }
}

#[test]
fn redirects_are_followed_as_browsers_follow_them() {
    let fake = Fake::start(Vec::new());
    let other = Web::start(|_| PICTURE.to_vec());
    let elsewhere = format!("http://{}/two words/ü.png?a b", other.address);
    let without_scheme = format!("//{}/a b", other.address);
    let here: [(&[u8], &str); 7] = [
        (b"new cat.png", "/old/new%20cat.png"),
        (b"../up/cat 1.png?a b", "/up/cat%201.png?a%20b"),
        ("/ü/猫.png".as_bytes(), "/%C3%BC/%E7%8C%AB.png"),
        (b"/latin-1/\xfc.png?\xe9", "/latin-1/%FC.png?%E9"),
        (b"?only=a query", "/old/cat.png?only=a%20query"),
        (b"%2e%2e/%20.png#part", "/%20.png"),
        (b"\t /tab.png \t", "/tab.png"),
    ];
    for (location, sent) in here {
        let web = Web::start(
            move |request| {
                if request == "GET /old/cat.png" { redirect(location) } else { PICTURE.to_vec() }
            },
        );
        let output = predict(&fake, &format!("http://{}/old/cat.png", web.address), &[]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(web.requests(), ["GET /old/cat.png".to_owned(), format!("GET {sent}")]);
    }
    for (location, sent) in [(elsewhere, "/two%20words/%C3%BC.png?a%20b"), (without_scheme, "/a%20b")] {
        let web = Web::start(move |_| redirect(location.as_bytes()));
        let output = predict(&fake, &format!("http://{}/old/cat.png", web.address), &[]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(other.requests(), [format!("GET {sent}")]);
    }
}

#[test]
fn redirects_that_lead_nowhere() {
    let fake = Fake::start(Vec::new());
    let web = Web::start(|request| match request {
        "GET /circle/a%20b" => redirect(b"/circle/a b"),
        "GET /missing" => redirect("/there is no ü".as_bytes()),
        "GET /secret" => redirect(b"http://name:word@127.0.0.1:1/"),
        "GET /files" => redirect(b"file:///etc/passwd"),
        "GET /unknown" => redirect(b"http://[/"),
        "GET /choose" => b"HTTP/1.1 300 Multiple Choices\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_vec(),
        _ => MISSING.to_vec(),
    });
    let host = format!("http://{}", web.address);
    let why = |path: &str| {
        let address = format!("{host}/{path}");
        failure(&predict(&fake, &address, &[]), &address)
    };
    assert_eq!(why("circle/a b"), format!("it was redirected more than 10 times, at last to {host}/circle/a%20b"));
    assert_eq!(web.requests().len(), 11);
    let missing =
        format!("the server answers 404; check the address (it was redirected to {host}/there%20is%20no%20%C3%BC)");
    assert_eq!(why("missing"), missing);
    let secret = why("secret");
    assert!(secret.ends_with("(it was redirected to http://127.0.0.1:1/)"), "{secret}");
    let files = "the server redirects to \"file:///etc/passwd\": only http and https URLs can be downloaded";
    assert_eq!(why("files"), files);
    let unknown = why("unknown");
    assert!(unknown.starts_with("the server redirects to \"http://[/\": "), "{unknown}");
    assert_eq!(why("choose"), "the server answers 300; check the address");
}

#[test]
fn an_error_names_the_proxy() {
    let fake = Fake::start(Vec::new());
    let web = Web::start(|_| MISSING.to_vec());
    let address = format!("http://{}/a b.png", web.address);
    let proxy = Web::start(|_| b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_vec());
    for variable in ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        // A name and a password are nobody's business.
        let value = format!("http://name:word@{}", proxy.address);
        let why = failure(&predict(&fake, &address, &[(variable, &value)]), &address);
        let way = format!(" (by way of the proxy http://{}, which {variable} names)", proxy.address);
        assert!(why.contains("403") && why.ends_with(&way), "{why}");
        assert_eq!(proxy.requests(), [format!("CONNECT {}", web.address)]);
    }
    // Of several the one that counts; what is no proxy does not.
    let value = proxy.address.as_str();
    let several = [("HTTP_PROXY", "http://127.0.0.1:9"), ("HTTPS_PROXY", ""), ("all_proxy", value)];
    let why = failure(&predict(&fake, &address, &several), &address);
    assert!(why.ends_with(&format!("(by way of the proxy http://{value}, which all_proxy names)")), "{why}");
    // A proxy that is not there.
    let why = failure(&predict(&fake, &address, &[("HTTP_PROXY", "http://127.0.0.1:1")]), &address);
    assert!(why.contains("refused"), "{why}");
    assert!(why.ends_with("(by way of the proxy http://127.0.0.1:1, which HTTP_PROXY names)"), "{why}");
    let why = failure(&predict(&fake, &address, &[("ALL_PROXY", "socks5://127.0.0.1:1")]), &address);
    assert!(why.ends_with("(by way of the proxy socks5://127.0.0.1:1, which ALL_PROXY names)"), "{why}");
    // One that is none is not passed over in silence.
    let why = failure(&predict(&fake, &address, &[("http_proxy", "not a proxy")]), &address);
    let way = "answers 404; check the address (what http_proxy says is no address of a proxy, and was passed over)";
    assert!(why.ends_with(way), "{why}");
    // Not where none is to be used.
    let none = [("HTTP_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", "127.0.0.1")];
    assert_eq!(failure(&predict(&fake, &address, &none), &address), "the server answers 404; check the address");
}
