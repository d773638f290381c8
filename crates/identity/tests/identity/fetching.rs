//! Keys that come from an address or a file.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use portcullis_identity::jwt::{Keeper, SET_BYTES_MAX, Verifier};
use portcullis_model::Timestamp;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::keys::{self, ED25519};
use crate::world::{Draft, NOW, reasons, verified, verifier_of};

fn verifier(source: &str) -> Verifier {
    verifier_of(
        &format!(
            "[[issuers]]\nissuer = \"https://one.example.org\"\naudiences = [\"portcullis\"]\nalgorithms = [\"EdDSA\"]\n{source}\nsubject = \"user:{{sub}}\""
        ),
        100,
    )
}

fn keeper(verifier: &Verifier) -> Keeper {
    Keeper::new(verifier.trusted()[0].clone()).unwrap()
}

/// What a step does: nothing, `same`, `other`, or why it fails.
fn step(keeper: &mut Keeper, seconds: u64) -> String {
    match keeper.step(Duration::from_secs(seconds), Timestamp(i64::try_from(seconds).unwrap())) {
        None => "nothing".to_owned(),
        Some(Ok(false)) => "same".to_owned(),
        Some(Ok(true)) => "other".to_owned(),
        Some(Err(error)) => reasons(&error),
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

/// Answers calls one after the other, in clear or with a certificate; ends with the paths that were asked for.
fn serve(listener: TcpListener, tls: Option<Arc<ServerConfig>>, answers: Vec<String>) -> JoinHandle<Vec<String>> {
    fn exchange(mut stream: impl Read + Write, answer: &str) -> Option<String> {
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            asked.push(byte[0]);
        }
        // Whoever has enough of the answer hangs up.
        let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
        Some(String::from_utf8(asked).unwrap().split(' ').nth(1).unwrap().to_owned())
    }
    thread::spawn(move || {
        let asked = answers.iter().filter_map(|answer| {
            let (stream, _) = listener.accept().unwrap();
            match &tls {
                None => exchange(stream, answer),
                Some(config) => {
                    exchange(StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream), answer)
                }
            }
        });
        asked.collect()
    })
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn the_last_good_keys_stay_while_none_can_be_fetched() {
    let good = keys::set(&[("ed", &ED25519[0])]);
    let (listener, port) = listener();
    let redirect = format!("location: http://127.0.0.1:{port}/elsewhere\r\n");
    let server = serve(
        listener,
        None,
        vec![
            answer("503 Service Unavailable", "", ""),
            answer("200 OK", "", &good),
            answer("302 Found", &redirect, &good),
            answer("200 OK", "", &format!("{good}{}", " ".repeat(SET_BYTES_MAX))),
            answer("200 OK", "", "<html>"),
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned(),
            answer("200 OK", "", &good),
            answer("200 OK", "", &keys::set(&[("ed", &ED25519[1])])),
        ],
    );
    let verifier = verifier(&format!("jwks-url = \"http://127.0.0.1:{port}/keys\""));
    let (mut keeper, token) = (keeper(&verifier), Draft::good().token());
    for (seconds, expected, fetched, taken) in [
        (0, "the answer has status 503", None, false),
        (1, "other", Some(1), true),
        (300, "nothing", Some(1), true),
        (301, "the answer has status 302", Some(1), true),
        (302, "cannot be fetched", Some(1), true),
        (303, "nothing", Some(1), true),
        (304, "it is no valid JSON", Some(1), true),
        (308, "cannot be fetched", Some(1), true),
        (316, "same", Some(316), true),
        (616, "other", Some(616), false),
    ] {
        let found = step(&mut keeper, seconds);
        assert!(found.contains(expected), "at {seconds}: {found}");
        assert_eq!(keeper.trusted().keys.fetched(), fetched.map(Timestamp), "at {seconds}");
        assert_eq!(verified(&verifier, &token, &NOW).is_ok(), taken, "at {seconds}");
    }
    assert_eq!(server.join().unwrap(), vec!["/keys"; 8]);
    // Now nobody listens any more.
    assert!(step(&mut keeper, 916).contains("cannot be fetched"));
}

#[test]
fn an_unknown_key_is_fetched_before_its_time() {
    let (listener, port) = listener();
    let sets = [keys::set(&[("old", &ED25519[0])]), keys::set(&[("ed", &ED25519[0])])];
    let server = serve(listener, None, sets.iter().map(|set| answer("200 OK", "", set)).collect());
    let verifier = verifier(&format!("jwks-url = \"http://127.0.0.1:{port}/\""));
    let (mut keeper, token) = (keeper(&verifier), Draft::good().token());
    assert_eq!(step(&mut keeper, 0), "other");
    assert_eq!(step(&mut keeper, 1), "nothing");
    assert!(verified(&verifier, &token, &NOW).is_err());
    assert_eq!(step(&mut keeper, 2), "other");
    assert!(verified(&verifier, &token, &NOW).is_ok());
    server.join().unwrap();
}

#[test]
fn a_file_is_read_again_when_it_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let verifier = verifier(&format!("jwks-file = {:?}", file.to_str().unwrap()));
    let mut keeper = keeper(&verifier);
    let write = |text: &str| {
        // As it should be done, so that nobody reads half of it.
        fs::write(folder.path().join("new"), text).unwrap();
        fs::rename(folder.path().join("new"), &file).unwrap();
    };
    assert!(step(&mut keeper, 0).ends_with("cannot be read: No such file or directory (os error 2)"));
    write(&keys::set(&[("ed", &ED25519[0])]));
    assert_eq!(step(&mut keeper, 0), "other");
    assert_eq!(step(&mut keeper, 1), "nothing");
    write(&keys::set(&[("ed", &ED25519[1])]));
    assert_eq!(step(&mut keeper, 2), "other");
    write("{}");
    assert!(step(&mut keeper, 3).contains("has no list of objects `keys`"));
    assert_eq!(step(&mut keeper, 3), "nothing");
    write(&" ".repeat(SET_BYTES_MAX + 1));
    assert!(step(&mut keeper, 4).contains("is longer than 262144 bytes"));
    fs::remove_file(&file).unwrap();
    assert_eq!(step(&mut keeper, 5), "nothing");
    assert_eq!(keeper.trusted().keys.fetched(), Some(Timestamp(2)));
}

/// A certificate for this machine: of whom clients may take it, and a server that has it.
fn certified(folder: &Path, name: &str) -> (String, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let path = folder.join(name);
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, made.cert.der());
    fs::write(&path, format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")).unwrap();
    (format!("jwks-ca-file = {:?}", path.to_str().unwrap()), Arc::new(config))
}

#[test]
fn a_server_needs_a_certificate_of_a_configured_authority() {
    let folder = tempfile::tempdir().unwrap();
    let good = answer("200 OK", "", &keys::set(&[("ed", &ED25519[0])]));
    let (right, right_server) = certified(folder.path(), "127.0.0.1");
    let (wrong_name, wrong_server) = certified(folder.path(), "elsewhere.example.org");
    for (authority, server, is_taken) in [
        (right.as_str(), &right_server, true),
        (wrong_name.as_str(), &right_server, false),
        (wrong_name.as_str(), &wrong_server, false),
        // Those of the system, if it has any.
        ("", &right_server, false),
    ] {
        let (listener, port) = listener();
        let verifier = verifier(&format!("jwks-url = \"https://127.0.0.1:{port}/keys\"\n{authority}"));
        let Ok(mut keeper) = Keeper::new(verifier.trusted()[0].clone()) else {
            assert!(authority.is_empty());
            continue;
        };
        let server = serve(listener, Some(Arc::clone(server)), vec![good.clone()]);
        let found = step(&mut keeper, 0);
        assert_eq!(found == "other", is_taken, "{found}");
        assert_eq!(server.join().unwrap().len(), usize::from(is_taken));
    }
    fs::write(folder.path().join("empty"), "").unwrap();
    for (file, expected) in [("empty", "has no certificate of an authority"), ("missing", "cannot be read")] {
        let path = folder.path().join(file);
        let verifier =
            verifier(&format!("jwks-url = \"https://127.0.0.1/\"\njwks-ca-file = {:?}", path.to_str().unwrap()));
        let refused = Keeper::new(verifier.trusted()[0].clone()).map(drop).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}
