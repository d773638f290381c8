//! Certificates as authorities issue them, and as they should not.

use portcullis_identity::certificate::Names;
use portcullis_model::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::world::reasons;

const WEB: &str = "spiffe://example.org/ns/shop/sa/web";

/// A certificate without any name, to be changed.
fn params(common_names: &[&str], uris: &[&str], dns: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for (nth, name) in common_names.iter().enumerate() {
        // The library has each kind of name once; the second is the same kind by its number.
        let kind = if nth == 0 { DnType::CommonName } else { DnType::CustomDnType(vec![2, 5, 4, 3]) };
        params.distinguished_name.push(kind, DnValue::Utf8String((*name).to_owned()));
    }
    let uris = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
    params.subject_alt_names =
        uris.chain(dns.iter().map(|name| SanType::DnsName((*name).try_into().unwrap()))).collect();
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2026, 2, 1);
    params
}

fn der(params: &CertificateParams) -> Vec<u8> {
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

/// The names, or why the certificate is not taken.
fn names(der: &[u8]) -> Result<String, String> {
    let names = Names::of(der).map_err(|error| reasons(&error))?;
    let spiffe = names.spiffe.map_or_else(|| "-".to_owned(), |id| id.to_string());
    Ok(format!("{spiffe} {} {:?}", names.common_name.as_deref().unwrap_or("-"), names.dns))
}

#[test]
fn names_are_read() {
    for (params, expected) in [
        (params(&[], &[WEB], &[]), format!("{WEB} - []")),
        (params(&["web"], &[WEB], &["Web.Example.org", "b"]), format!("{WEB} web [\"web.example.org\", \"b\"]")),
        (params(&["Alice Smith"], &[], &[]), "- Alice Smith []".to_owned()),
        (params(&["alice"], &["https://example.org/alice"], &[]), "- alice []".to_owned()),
        (params(&[], &[], &[]), "- - []".to_owned()),
    ] {
        assert_eq!(names(&der(&params)), Ok(expected));
    }
    let names = Names::of(&der(&params(&[], &[WEB], &[]))).unwrap();
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    assert_eq!((names.not_before, names.not_after), (time("2026-01-01T00:00:00Z"), time("2026-02-01T00:00:00Z")));
}

#[test]
fn ambiguous_and_malformed_certificates_are_refused() {
    let authority = |usages: &[KeyUsagePurpose], is_ca: bool| {
        let mut params = params(&[], &[WEB], &[]);
        params.key_usages = usages.to_vec();
        if is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        der(&params)
    };
    let with_list = |uris: &[&str], content: &[u8]| {
        let mut params = params(&["x"], uris, &[]);
        params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], content.to_vec())];
        der(&params)
    };
    let good = der(&params(&[], &[WEB], &[]));
    for (certificate, expected) in [
        (der(&params(&[], &[WEB, WEB], &[])), "the certificate has 2 URIs among its names, `spiffe://example.org/ns"),
        (der(&params(&[], &[WEB, "https://a"], &[])), "the certificate has 2 URIs"),
        (
            der(&params(&[], &["https://a", "https://b"], &[])),
            "the certificate has 2 URIs among its names, `https://a`",
        ),
        (der(&params(&[], &["spiffe://example.org"], &[])), "the certificate has a malformed SPIFFE id: issue it with"),
        (
            der(&params(&[], &["SPIFFE://example.org/a"], &[])),
            "the certificate has a malformed SPIFFE id: issue it with",
        ),
        (der(&params(&[], &["spiffe:x"], &[])), "the certificate has a malformed SPIFFE id: issue it with"),
        (der(&params(&["a", "b"], &[], &[])), "the subject of the certificate has 2 common names"),
        (der(&params(&["a\0b"], &[], &[])), r"the certificate has the name `a\u{0}b`"),
        (der(&params(&[""], &[], &[])), "the certificate has the name ``"),
        (der(&params(&["a"], &[], &["b\0"])), r"the certificate has the name `b\u{0}`"),
        (authority(&[KeyUsagePurpose::DigitalSignature], true), "the certificate of `spiffe://example.org"),
        (authority(&[KeyUsagePurpose::KeyCertSign], false), "the certificate of `spiffe://example.org"),
        (authority(&[KeyUsagePurpose::CrlSign], false), "the certificate of `spiffe://example.org"),
        (with_list(&[], &[0x30, 0x03, 0x86, 0x05, b'a']), "the subject alternative names"),
        (with_list(&[], &[0x30, 0x03, 0x86, 0x01, 0xFF]), "the subject alternative names"),
        (with_list(&[WEB], &[0x30, 0x03, 0x86, 0x01, b'a']), "the subject alternative names"),
        ([&good[..], &[0]].concat(), "the certificate is"),
        ([&good[..], &good[..]].concat(), "the certificate is"),
        (good[..good.len() - 1].to_vec(), "the certificate is no X.509 certificate"),
        (Vec::new(), "the certificate is no X.509 certificate"),
        (b"-----BEGIN CERTIFICATE-----".to_vec(), "the certificate is no X.509 certificate"),
        (vec![0x30; 70_000], "the certificate is 70000 bytes long"),
    ] {
        let refused = names(&certificate).expect_err(expected);
        assert!(refused.starts_with(expected), "{expected}: {refused}");
    }
}
