//! What is not answered: foreign pages, other methods, paths that lead out.

use std::fs;
use std::path::Path;

use precipice_page::{Options, PageError, Server};

use crate::common::{Served, finished, limits};

#[test]
fn other_names_and_other_pages_are_refused() {
    let served = Served::empty(limits());
    let port = served.address.port();
    for host in ["evil.example".to_owned(), format!("evil.example:{port}"), format!("127.0.0.1:{}", port ^ 1)] {
        for path in ["/", "/api/runs", "/config.json"] {
            let (status, text) = served.say(&format!("GET {path} HTTP/1.1\r\nHost: {host}")).refusal();
            assert!(status == 403 && text.contains(&host) && text.contains("http://localhost:"), "{status} {text}");
        }
    }
    assert_eq!(served.say(&format!("GET / HTTP/1.1\r\nHost: localhost:{port}")).status, 200);
    assert_eq!(served.say("GET / HTTP/1.1").refusal().0, 403, "no Host");
    assert_eq!(served.say(&format!("GET http://evil.example/ HTTP/1.1\r\nHost: localhost:{port}")).refusal().0, 403);
    let asked = |header: &str| served.say(&format!("{}\r\n{header}", served.head("/api/runs")));
    for foreign in ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"] {
        assert_eq!(asked(foreign).refusal().0, 403, "{foreign}");
    }
    for own in [format!("Origin: http://127.0.0.1:{port}"), "Sec-Fetch-Site: same-origin".to_owned()] {
        assert_eq!(asked(&own).status, 200, "{own}");
    }
}

#[test]
fn only_get_is_answered() {
    let served = Served::empty(limits());
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        for path in ["/", "/api/runs", "/nothing"] {
            let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0", served.address);
            let reply = served.say(&head);
            assert_eq!((reply.status, &*reply.headers["allow"]), (405, "GET, HEAD"), "{method} {path}");
            assert!(method == "TRACE" || reply.refusal().1.contains("GET"));
        }
    }
}

#[test]
fn every_answer_says_what_a_page_may_do() {
    let served = Served::empty(limits());
    let foreign = served.say("GET / HTTP/1.1\r\nHost: evil.example");
    for reply in [served.get("/"), served.get("/api/runs"), served.get("/api/nothing"), foreign] {
        let policy = &reply.headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';"), "{policy}");
        assert!(policy.ends_with("frame-ancestors 'self'") && !policy.contains('*') && !policy.contains("  "));
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
        assert_eq!(reply.headers["referrer-policy"], "no-referrer");
        assert_eq!(reply.headers["cross-origin-opener-policy"], "same-origin");
        assert_eq!(reply.headers["cross-origin-resource-policy"], "same-origin");
        assert!(!reply.headers.contains_key("access-control-allow-origin"));
    }
}

#[test]
fn no_path_leaves_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("runs");
    finished(&dir.join("good"), 0);
    finished(&folder.path().join("secret"), 1);
    let served = Served::new(&dir, limits());
    let absolute = folder.path().join("secret").display().to_string();
    let escapes = [
        ("../secret", 403),
        ("..%2fsecret", 403),
        ("%2e%2e%2Fsecret", 403),
        ("..%5csecret", 403),
        ("good/../../secret", 403),
        ("good/../good", 403),
        (&absolute, 403),
        ("/", 403),
        ("good%00", 400),
        ("", 400),
        ("secret", 404),
        ("good/spec.toml", 404),
        ("..%252fsecret", 404),
    ];
    for (path, expected) in escapes {
        for question in ["run", "rows", "sweep", "checkpoint"] {
            let (status, text) = served.refused(&format!("/api/{question}?step=0&path={path}"));
            assert_eq!(status, expected, "{question} {path}: {text}");
            assert!(!text.contains(&folder.path().display().to_string()) || path == absolute, "{text}");
        }
    }
    for path in ["/../Cargo.toml", "/..%2fCargo.toml", "/assets/../../Cargo.toml", "//etc/passwd", "/%2e%2e/x"] {
        assert_eq!(served.refused(path).0, 404, "{path}");
    }
    assert_eq!(served.json("/api/run?path=./good")["path"], "good");
}

#[test]
#[cfg(unix)]
fn links_that_lead_out_are_refused() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("runs");
    finished(&dir.join("good"), 0);
    let secret = finished(&folder.path().join("secret"), 1);
    symlink(secret.root(), dir.join("out")).unwrap();
    symlink("good", dir.join("in")).unwrap();
    // Every file of a run that is read could be one of elsewhere.
    for name in ["spec.toml", "log.jsonl", "manifest.json", "checkpoints", "lock"] {
        let run = dir.join(format!("by-{name}"));
        copy(&dir.join("good"), &run);
        let _ = fs::remove_file(run.join(name)).or_else(|_| fs::remove_dir_all(run.join(name)));
        symlink(secret.root().join(name), run.join(name)).unwrap();
    }
    copy(&dir.join("good"), &dir.join("by-step"));
    let step = "checkpoints/step-00000008.safetensors";
    fs::remove_file(dir.join("by-step").join(step)).unwrap();
    symlink(secret.root().join(step), dir.join("by-step").join(step)).unwrap();
    let served = Served::new(&dir, limits());
    for question in ["run", "rows", "checkpoint"] {
        assert_eq!(served.refused(&format!("/api/{question}?path=out&step=8")).0, 403, "{question}");
        for name in ["spec.toml", "log.jsonl", "manifest.json", "checkpoints", "lock"] {
            let (status, text) = served.refused(&format!("/api/{question}?path=by-{name}&step=8"));
            assert!(status == 403 && text.contains("leads out"), "{question} {name}: {status} {text}");
        }
    }
    assert_eq!(served.refused("/api/checkpoint?path=by-step&step=8").0, 403);
    assert_eq!(served.json("/api/run?path=in")["path"], "good", "a link inside is no harm");
    let listed = served.json("/api/runs");
    let entries = listed["entries"].as_array().unwrap();
    let of = |path: &str| entries.iter().find(|entry| entry["path"] == path);
    assert!(of("out").is_none() && of("in").is_none(), "links are not followed");
    assert!(of("by-log.jsonl").unwrap()["problem"].as_str().unwrap().contains("leads out"));
}

/// A pipe would be waited for until somebody writes to it.
#[test]
#[cfg(unix)]
fn pipes_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["spec.toml", "log.jsonl", "manifest.json", "lock"] {
        let run = finished(&folder.path().join(name), 0);
        let _ = fs::remove_file(run.root().join(name));
        let made = std::process::Command::new("mkfifo").arg(run.root().join(name)).status().unwrap();
        assert!(made.success());
    }
    let served = Served::new(folder.path(), limits());
    for name in ["spec.toml", "log.jsonl", "manifest.json", "lock"] {
        let (status, text) = served.refused(&format!("/api/run?path={name}"));
        assert!(status == 422 && text.contains("not a regular file"), "{status} {text}");
    }
    assert_eq!(served.json("/api/runs")["cut"], false);
}

#[test]
fn questions_that_are_none_say_what_is_expected() {
    let folder = tempfile::tempdir().unwrap();
    finished(&folder.path().join("good"), 0);
    let served = Served::new(folder.path(), limits());
    for (path, expected, words) in [
        ("/api/run", 400, "/api/run?path=PATH"),
        ("/api/checkpoint?path=good", 400, "&step=STEP"),
        ("/api/checkpoint?path=good&step=-1", 400, "&step=STEP"),
        ("/api/checkpoint?path=good&step=3", 404, "it has 0, 1, 2, 4, 8"),
        ("/api/sweep?path=good", 404, "is a run, not a sweep"),
        ("/api/run?path=other", 404, "/api/runs lists"),
        ("/api/other", 404, "/api/runs"),
        ("/api", 404, "/api/runs"),
        ("/other.js", 404, "begins at /"),
    ] {
        let (status, text) = served.refused(path);
        assert!(status == expected && text.contains(words), "{path}: {status} {text}");
    }
    let with_id = format!("{}\r\nLast-Event-ID: x", served.head("/api/rows?path=good"));
    assert_eq!(served.say(&with_id).refusal().0, 400);
    assert_eq!(served.say("nonsense").status, 400);
}

#[test]
fn places_that_cannot_be_served_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let of = |dir: &Path, host: &str, port| {
        let (dir, host) = (dir.to_owned(), host.to_owned());
        Server::bind(Options { dir, may_be_missing: false, host, port, limits: limits() })
    };
    let error = |dir: &Path, host: &str, port| of(dir, host, port).err().map(|e| e.to_string()).unwrap_or_default();
    let missing = folder.path().join("missing");
    assert!(error(&missing, "127.0.0.1", 0).contains("missing: there is no such folder"));
    assert!(error(Path::new(file!()).file_name().unwrap().as_ref(), "127.0.0.1", 0).contains("no such folder"));
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(error(&file, "127.0.0.1", 0).contains("file: is a file; name a folder"));
    for host in ["no such host", "", "192.0.2.1"] {
        assert!(error(folder.path(), host, 0).contains("expected an address of this machine"), "{host}");
    }
    let taken = of(folder.path(), "127.0.0.1", 0).unwrap();
    let again = of(folder.path(), "127.0.0.1", taken.address().port());
    assert!(matches!(again, Err(PageError::PortInUse { address }) if address == taken.address()));
    assert!(again.err().unwrap().to_string().contains("choose another --port"));
    let all = of(folder.path(), "0.0.0.0", 0).unwrap();
    assert_eq!(all.url(), format!("http://localhost:{}/", all.address().port()));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}
