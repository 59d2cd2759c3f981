//! TLS, by the options of the program.
#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, io::BufRead};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustix::{
    fs::{CWD, Mode, mkfifoat},
    process::Signal,
};

use self::support::{Cluster, Directory, Running, run};

const W1: &str = "w1@127.0.0.1";

/// The name of the file of a certificate that has expired.
const EXPIRED: &str = "expired";

/// One who signs certificates, with those of the nodes.
struct Authority {
    directory: Directory,
    issuer: Issuer<'static, KeyPair>,
    ca: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        let directory = Directory::new(name);
        let ca = directory.file("ca.pem", &certificate.pem());
        Self {
            directory,
            issuer: Issuer::new(params, key),
            ca,
        }
    }

    /// Writes the files of a certificate for a host.
    fn certify(&self, file: &str, host: &str) -> [String; 2] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        if file == EXPIRED {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        [
            self.directory
                .file(&format!("{file}.pem"), &certificate.pem()),
            self.directory
                .file(&format!("{file}.key"), &key.serialize_pem()),
        ]
    }

    /// The options of a node with such a certificate.
    fn options(&self, file: &str, host: &str) -> Vec<String> {
        let [certificate, key] = self.certify(file, host);
        let options = [
            "--tls-ca",
            &self.ca,
            "--tls-cert",
            &certificate,
            "--tls-key",
            &key,
        ];
        options.map(str::to_owned).to_vec()
    }
}

fn words<'a>(first: &[&'a str], options: &'a [String]) -> Vec<&'a str> {
    let options = options.iter().map(String::as_str);
    first.iter().copied().chain(options).collect()
}

#[test]
fn commands_and_nodes_speak_tls_with_each_other_and_with_nobody_else() {
    let (cluster, authority) = (Cluster::new(), Authority::new("tls-both"));
    let options = authority.options("node", "127.0.0.1");
    let _node = cluster.node(W1, &words(&["--join", "pool"], &options));

    let call = ["call", W1, "demo", "add", "[1, 2]"];
    assert_eq!(cluster.run(&words(&call, &options)).line(), "3");
    let members = ["members", "pool", "--peer", W1];
    assert_eq!(cluster.run(&words(&members, &options)).line(), W1);

    cluster
        .run(&call)
        .failed(2, &["speaks TLS, and this node does not", "--tls-ca"]);
    let trusting = ["--tls-ca".to_owned(), authority.ca.clone()];
    cluster
        .run(&words(&call, &trusting))
        .failed(2, &["wants to see a certificate"]);
    let other = Authority::new("tls-other");
    let untrusted = other.options("node", "127.0.0.1");
    cluster.run(&words(&call, &untrusted)).failed(
        2,
        &["not of an authority that this node trusts", "--tls-ca"],
    );
}

#[test]
fn the_error_itself_says_what_is_wrong_with_a_certificate() {
    let (cluster, authority) = (Cluster::new(), Authority::new("tls-elsewhere"));
    let own = authority.options("node", "127.0.0.1");
    let elsewhere = authority.options("elsewhere", "elsewhere");
    let lenient = ["--join", "pool", "--tls-check-client-host", "false"];
    let _w1 = cluster.node(W1, &words(&lenient, &own));
    let strict = "w2@127.0.0.1";
    let _w2 = cluster.node(strict, &words(&[], &own));
    let hidden = "w3@127.0.0.1";
    let join = ["--join", "hidden", "--peer", W1];
    let _w3 = cluster.node(hidden, &words(&join, &elsewhere));
    let last_line = |arguments: &[&str], options: &[String]| {
        let ended = cluster.run(&words(arguments, options));
        assert_eq!(ended.code, 3, "{ended:?}");
        let error = ended.stderr.split("rlb: ").last().unwrap();
        error.to_owned()
    };

    // The own certificate, which the other node does not take.
    for command in [
        &["ping", strict][..],
        &["members", "pool", "--peer", strict],
    ] {
        let error = last_line(command, &elsewhere);
        assert!(
            error.contains("is not for 127.0.0.1 but for elsewhere"),
            "{error}"
        );
        assert!(error.contains("--name"), "{error}");
    }
    // That of a node that was found, which this one does not take.
    let members = ["members", "hidden", "--peer", W1, "--timeout", "4s"];
    let error = last_line(&members, &own);
    assert!(error.contains("no connection to w3@127.0.0.1: "), "{error}");
    assert!(
        error.contains("its certificate is not for 127.0.0.1"),
        "{error}"
    );
}

#[test]
fn a_wrong_certificate_of_a_node_is_a_matter_of_configuration() {
    let (cluster, authority) = (Cluster::new(), Authority::new("tls-config"));
    let own = authority.options("own", "127.0.0.1");
    for (name, file, host, said) in [
        (W1, EXPIRED, "127.0.0.1", "its certificate has expired"),
        (
            "w2@127.0.0.1",
            "elsewhere",
            "elsewhere",
            "its certificate is not for 127.0.0.1",
        ),
    ] {
        let _node = cluster.node(name, &words(&[], &authority.options(file, host)));
        cluster
            .run(&words(&["ping", name], &own))
            .failed(2, &[said]);
    }
}

#[test]
fn a_node_without_tls_is_not_called_by_a_command_with_it() {
    let (cluster, authority) = (Cluster::new(), Authority::new("tls-plain"));
    let _node = cluster.node(W1, &[]);
    let options = authority.options("node", "127.0.0.1");
    cluster
        .run(&words(&["ping", W1], &options))
        .failed(2, &["does not speak TLS", "leave out --tls-ca"]);
}

#[test]
fn the_environment_and_a_file_say_the_same_as_options() {
    let (cluster, authority) = (Cluster::new(), Authority::new("tls-settings"));
    let [certificate, key] = authority.certify("node", "127.0.0.1");
    let text = format!(
        "[tls]\nca = {:?}\ncertificate = {certificate:?}\nkey = {key:?}\n",
        authority.ca
    );
    let config = authority.directory.file("rlb.toml", &text);
    let _node = cluster.node(W1, &["--config", &config]);

    let mut call = cluster.command(&["call", W1, "demo", "add", "[1, 2]"]);
    call.env("RLB_TLS_CA", &authority.ca)
        .env("RLB_TLS_CERTIFICATE", certificate)
        .env("RLB_TLS_KEY", key);
    assert_eq!(run(call).line(), "3");

    let mut call = cluster.command(&["call", W1, "demo", "node"]);
    call.env("RLB_TLS_CHECK_HOST", "perhaps");
    run(call).failed(2, &["RLB_TLS_CHECK_HOST", "perhaps"]);
}

#[test]
fn settings_that_do_not_fit_together_are_refused() {
    let (cluster, authority) = (Cluster::new(), Authority::new("tls-wrong"));
    let options = authority.options("node", "127.0.0.1");
    for (left_out, said) in [
        (0..2, "have no `ca`"),
        (2..4, "no `certificate`"),
        (4..6, "no `key`"),
        (2..6, "a node with TLS that listens needs a certificate"),
    ] {
        let mut options = options.clone();
        options.drain(left_out);
        let node = words(&["node", "--name", W1], &options);
        cluster.run(&node).failed(2, &[said]);
    }
    let directory = Directory::new("tls-ca-alone");
    let file = directory.file("rlb.toml", "[tls]\nca = \"ca.pem\"\n");
    let ended = cluster.run(&["node", "--name", W1, "--config", &file]);
    ended.failed(
        2,
        &["set `certificate` and `key`", "--listen off", "--tls-cert"],
    );
    let node = ["node", "--name", W1, "--tls-ca", "/nowhere/ca.pem"];
    let node = words(&node, &options[2..]);
    cluster.run(&node).failed(2, &["/nowhere/ca.pem"]);
}

#[test]
fn a_hangup_has_a_node_read_its_certificate_again() {
    let (cluster, authority) = (Cluster::new(), Authority::new("tls-hangup"));
    let options = authority.options("node", "elsewhere");
    let arguments = words(&["node", "--name", W1, "-v"], &options);
    let mut node = Running::start(cluster.command(&arguments));
    assert_eq!(node.line(), W1);
    let mut log = node.stderr();
    let mut await_line = |part: &str| {
        let mut line = String::new();
        while !line.contains(part) {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "no {part:?}");
        }
        line
    };
    let own = authority.options("own", "127.0.0.1");
    let ping = words(&["ping", W1], &own);
    cluster
        .run(&ping)
        .failed(2, &["not for 127.0.0.1 but for elsewhere"]);

    fs::write(&options[3], "torn").unwrap();
    node.signal(Signal::HUP);
    let line = await_line("as they were");
    assert!(line.contains("node.pem"), "{line}");
    cluster
        .run(&ping)
        .failed(2, &["not for 127.0.0.1 but for elsewhere"]);

    authority.certify("node", "127.0.0.1");
    node.signal(Signal::HUP);
    await_line("as they are now");
    assert_eq!(cluster.run(&ping).code, 0);
    node.signal(Signal::TERM);
    assert_eq!(node.ended().code, 0);
}

#[test]
fn a_pipe_is_refused_and_not_waited_for_wherever_a_file_is_read() {
    let (cluster, authority) = (Cluster::new(), Authority::new("tls-pipe"));
    let [certificate, key] = authority.certify("node", "127.0.0.1");
    let pipe = format!("{}.pipe", authority.ca);
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    let files = |ca, certificate, key| {
        ["--tls-ca", ca, "--tls-cert", certificate, "--tls-key", key].to_vec()
    };
    for options in [
        vec!["--config", &pipe],
        vec!["--cookie-file", &pipe],
        files(&pipe, &certificate, &key),
        files(&authority.ca, &pipe, &key),
        files(&authority.ca, &certificate, &pipe),
    ] {
        let node = [&["node", "--name", W1][..], &options].concat();
        let ended = cluster.run(&node);
        ended.failed(2, &[&pipe, "it is a pipe, a regular file is expected"]);
    }
}
