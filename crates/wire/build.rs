//! Generates the messages and services from `proto/`, without protoc, and the services of `authzed.api.v1`, whose messages come
//! from a crate that has no services.

use std::path::Path;
use std::{env, fs};

use prost::Message;
use tonic_build::manual::{Method, Service};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    for folder in ["portcullis/v1", "portcullis/peer/v1"] {
        for entry in fs::read_dir(root.join(folder))? {
            files.push(entry?.path());
        }
    }
    files.sort();
    let descriptors = protox::compile(&files, [&root])?;
    let out = Path::new(&env::var("OUT_DIR")?).join("descriptors.bin");
    fs::write(out, descriptors.encode_to_vec())?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    // It is much larger than what else may have changed.
    config.boxed(".portcullis.v1.Change.change.grant");
    tonic_prost_build::configure().compile_fds_with_config(descriptors, config)?;
    tonic_build::manual::Builder::new().build_client(false).compile(&authzed());
    Ok(())
}

/// How a method is called.
#[derive(Clone, Copy)]
enum Way {
    Unary,
    /// The answer is a stream.
    Streaming,
    /// The question is one.
    Uploading,
}

/// The services of `authzed.api.v1`. Methods of the experimental service have the messages of those that took their place.
fn authzed() -> Vec<Service> {
    use Way::{Streaming, Unary, Uploading};
    vec![
        service(
            "PermissionsService",
            &[
                ("CheckPermission", "CheckPermission", Unary),
                ("CheckBulkPermissions", "CheckBulkPermissions", Unary),
                ("ExpandPermissionTree", "ExpandPermissionTree", Unary),
                ("LookupResources", "LookupResources", Streaming),
                ("LookupSubjects", "LookupSubjects", Streaming),
                ("ReadRelationships", "ReadRelationships", Streaming),
                ("WriteRelationships", "WriteRelationships", Unary),
                ("DeleteRelationships", "DeleteRelationships", Unary),
                ("ImportBulkRelationships", "ImportBulkRelationships", Uploading),
                ("ExportBulkRelationships", "ExportBulkRelationships", Streaming),
            ],
        ),
        service(
            "SchemaService",
            &[
                ("ReadSchema", "ReadSchema", Unary),
                ("WriteSchema", "WriteSchema", Unary),
                ("ReflectSchema", "ReflectSchema", Unary),
                ("ComputablePermissions", "ComputablePermissions", Unary),
                ("DependentRelations", "DependentRelations", Unary),
                ("DiffSchema", "DiffSchema", Unary),
            ],
        ),
        service("WatchService", &[("Watch", "Watch", Streaming)]),
        service(
            "ExperimentalService",
            &[
                ("BulkImportRelationships", "ImportBulkRelationships", Uploading),
                ("BulkExportRelationships", "ExportBulkRelationships", Streaming),
                ("BulkCheckPermission", "CheckBulkPermissions", Unary),
            ],
        ),
    ]
}

/// A service, from the names of its methods and of their messages.
fn service(name: &str, methods: &[(&str, &str, Way)]) -> Service {
    let mut service = Service::builder().name(name).package("authzed.api.v1");
    for (route, messages, way) in methods {
        let method = Method::builder()
            .name(snake(route))
            .route_name(*route)
            .input_type(format!("spicedb_grpc_tonic::v1::{messages}Request"))
            .output_type(format!("spicedb_grpc_tonic::v1::{messages}Response"))
            .codec_path("tonic_prost::ProstCodec");
        let method = match way {
            Way::Unary => method,
            Way::Streaming => method.server_streaming(),
            Way::Uploading => method.client_streaming(),
        };
        service = service.method(method.build());
    }
    service.build()
}

/// `check_permission` for `CheckPermission`.
fn snake(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}
