//! The services that read and write relationships, and decide. Each call is in a file of its own.

use portcullis_wire::authzed::server::experimental_service_server::ExperimentalService;
use portcullis_wire::authzed::server::permissions_service_server::PermissionsService;
use portcullis_wire::authzed::v1;
use tonic::{Request, Response, Status, Streaming};

use super::{Front, bulk, check, expand, lookup, read, write};
use crate::lookup::Stream;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl PermissionsService for Front {
    type LookupResourcesStream = Stream<v1::LookupResourcesResponse>;
    type LookupSubjectsStream = Stream<v1::LookupSubjectsResponse>;
    type ReadRelationshipsStream = Stream<v1::ReadRelationshipsResponse>;
    type ExportBulkRelationshipsStream = Stream<v1::ExportBulkRelationshipsResponse>;

    async fn check_permission(
        &self,
        request: Request<v1::CheckPermissionRequest>,
    ) -> Answer<v1::CheckPermissionResponse> {
        let (call, tenant) = self.call(request)?;
        check::one(call, tenant).await
    }

    async fn check_bulk_permissions(
        &self,
        request: Request<v1::CheckBulkPermissionsRequest>,
    ) -> Answer<v1::CheckBulkPermissionsResponse> {
        let (call, tenant) = self.call(request)?;
        check::many(call, tenant).await
    }

    async fn expand_permission_tree(
        &self,
        request: Request<v1::ExpandPermissionTreeRequest>,
    ) -> Answer<v1::ExpandPermissionTreeResponse> {
        let (call, tenant) = self.call(request)?;
        expand::tree(call, tenant).await
    }

    async fn lookup_resources(
        &self,
        request: Request<v1::LookupResourcesRequest>,
    ) -> Answer<Self::LookupResourcesStream> {
        let (call, tenant) = self.streamed(request)?;
        lookup::resources(call, tenant).await
    }

    async fn lookup_subjects(&self, request: Request<v1::LookupSubjectsRequest>) -> Answer<Self::LookupSubjectsStream> {
        let (call, tenant) = self.streamed(request)?;
        lookup::subjects(call, tenant).await
    }

    async fn read_relationships(
        &self,
        request: Request<v1::ReadRelationshipsRequest>,
    ) -> Answer<Self::ReadRelationshipsStream> {
        let (call, tenant) = self.streamed(request)?;
        read::relationships(call, tenant).await
    }

    async fn write_relationships(
        &self,
        request: Request<v1::WriteRelationshipsRequest>,
    ) -> Answer<v1::WriteRelationshipsResponse> {
        let (call, tenant) = self.call(request)?;
        write::relationships(call, tenant).await
    }

    async fn delete_relationships(
        &self,
        request: Request<v1::DeleteRelationshipsRequest>,
    ) -> Answer<v1::DeleteRelationshipsResponse> {
        let (call, tenant) = self.call(request)?;
        write::delete(call, tenant).await
    }

    async fn import_bulk_relationships(
        &self,
        request: Request<Streaming<v1::ImportBulkRelationshipsRequest>>,
    ) -> Answer<v1::ImportBulkRelationshipsResponse> {
        let (call, tenant) = self.streamed(request)?;
        bulk::import(call, tenant).await
    }

    async fn export_bulk_relationships(
        &self,
        request: Request<v1::ExportBulkRelationshipsRequest>,
    ) -> Answer<Self::ExportBulkRelationshipsStream> {
        let (call, tenant) = self.streamed(request)?;
        bulk::export(call, tenant).await
    }
}

/// What older clients call by other names.
#[tonic::async_trait]
impl ExperimentalService for Front {
    type BulkExportRelationshipsStream = Stream<v1::ExportBulkRelationshipsResponse>;

    async fn bulk_import_relationships(
        &self,
        request: Request<Streaming<v1::ImportBulkRelationshipsRequest>>,
    ) -> Answer<v1::ImportBulkRelationshipsResponse> {
        self.import_bulk_relationships(request).await
    }

    async fn bulk_export_relationships(
        &self,
        request: Request<v1::ExportBulkRelationshipsRequest>,
    ) -> Answer<Self::BulkExportRelationshipsStream> {
        self.export_bulk_relationships(request).await
    }

    async fn bulk_check_permission(
        &self,
        request: Request<v1::CheckBulkPermissionsRequest>,
    ) -> Answer<v1::CheckBulkPermissionsResponse> {
        self.check_bulk_permissions(request).await
    }
}
