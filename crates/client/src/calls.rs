//! The methods of the interface.
//!
//! Each takes the message of the call and fills in the client's tenant where the message names none; writes get an
//! idempotency key where the caller gave none, so every method here may be tried again safely, and is. Futures are boxed
//! so that they are compiled here, and not again in every crate that calls.

use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt, TryFutureExt, TryStreamExt};
use portcullis_wire::v1;
use portcullis_wire::v1::authorization_client::AuthorizationClient;
use portcullis_wire::v1::cluster_client::ClusterClient;
use portcullis_wire::v1::grants_client::GrantsClient;
use portcullis_wire::v1::relationships_client::RelationshipsClient;
use portcullis_wire::v1::roles_client::RolesClient;
use portcullis_wire::v1::schemas_client::SchemasClient;
use portcullis_wire::v1::tenants_client::TenantsClient;

use crate::client::Client;
use crate::error::Error;

/// How long a stream that comes to an end may take.
pub const STREAM_TIMEOUT: Duration = Duration::from_mins(5);

/// The messages of a stream.
pub type Messages<T> = BoxStream<'static, Result<T, Error>>;

macro_rules! tenant {
    ($client:expr, $message:expr) => {
        if $message.tenant.is_empty() {
            $message.tenant.clone_from(&$client.options.tenant);
        }
    };
}

macro_rules! key {
    ($message:expr) => {
        let options = $message.options.get_or_insert_default();
        if options.idempotency_key.is_empty() {
            options.idempotency_key = format!("{:032x}", rand::random::<u128>());
        }
    };
}

macro_rules! method {
    ($(#[$doc:meta])* $name:ident: $service:ident, $request:ident => $response:ident, $call:ident) => {
        $(#[$doc])*
        pub fn $name(&self, message: v1::$request) -> BoxFuture<'_, Result<v1::$response, Error>> {
            self.$call(message, |channel, request| async move { $service::new(channel).$name(request).await }).boxed()
        }
    };
    ($(#[$doc:meta])* $name:ident: $service:ident, $request:ident => $response:ident, $call:ident, $($fill:ident),+) => {
        $(#[$doc])*
        pub fn $name(&self, mut message: v1::$request) -> BoxFuture<'_, Result<v1::$response, Error>> {
            $(method!(@$fill self, message);)+
            self.$call(message, |channel, request| async move { $service::new(channel).$name(request).await }).boxed()
        }
    };
    ($(#[$doc:meta])* $name:ident: $service:ident, $request:ident => stream $response:ident) => {
        $(#[$doc])*
        ///
        /// An error that ends the stream later than its beginning is not tried again: what came before it is true, and the last
        /// cursor says where to go on. The whole may take [`STREAM_TIMEOUT`](crate::STREAM_TIMEOUT).
        pub fn $name(&self, mut message: v1::$request) -> BoxFuture<'_, Result<Messages<v1::$response>, Error>> {
            tenant!(self, message);
            let open = |channel, request| async move { $service::new(channel).$name(request).await };
            let opened = self.call_lasting(message, open, Some(STREAM_TIMEOUT));
            opened.map_ok(|stream| stream.map_err(|status| Error::answered(&status)).boxed()).boxed()
        }
    };
    (@tenant $client:expr, $message:expr) => { tenant!($client, $message) };
    (@key $client:expr, $message:expr) => { key!($message) };
}

impl Client {
    method!(
        /// Decides one question.
        check: AuthorizationClient, CheckRequest => CheckResponse, decide, tenant
    );
    method!(
        /// Decides many questions at one revision.
        batch_check: AuthorizationClient, BatchCheckRequest => BatchCheckResponse, decide, tenant
    );
    method!(
        /// Lists what a subject may do with a resource.
        lookup_permissions: AuthorizationClient, LookupPermissionsRequest => LookupPermissionsResponse, decide, tenant
    );
    method!(
        /// Lists the resources of a type on which a subject has a permission, in order, as they are found.
        lookup_resources: AuthorizationClient, LookupResourcesRequest => stream LookupResourcesResponse
    );
    method!(
        /// Lists the subjects of a type that have a permission on a resource, in order, as they are found.
        lookup_subjects: AuthorizationClient, LookupSubjectsRequest => stream LookupSubjectsResponse
    );
    method!(
        /// Decides one question and says why.
        explain: AuthorizationClient, ExplainRequest => ExplainResponse, decide, tenant
    );
    method!(
        /// Creates, touches and deletes relationships.
        write_relationships: RelationshipsClient,
        WriteRelationshipsRequest => WriteRelationshipsResponse, call, tenant, key
    );
    method!(
        /// Deletes every relationship that matches.
        delete_relationships: RelationshipsClient,
        DeleteRelationshipsRequest => DeleteRelationshipsResponse, call, tenant, key
    );
    method!(
        /// Lists relationships.
        read_relationships: RelationshipsClient, ReadRelationshipsRequest => ReadRelationshipsResponse, call, tenant
    );
    method!(
        /// Reads all relationships that match as they were at one revision.
        export_relationships: RelationshipsClient, ExportRelationshipsRequest => stream ExportRelationshipsResponse
    );

    /// Touches all relationships of a stream, each of which may come once, and tells how far it has come. Asked of one node, and
    /// not tried again: what was told of is written, and touching it again does no harm.
    pub fn import_relationships(
        &self,
        messages: impl Stream<Item = v1::ImportRelationshipsRequest> + Send + 'static,
    ) -> BoxFuture<'static, Result<Messages<v1::ImportRelationshipsResponse>, Error>> {
        let tenant = self.options.tenant.clone();
        let messages = messages.map(move |mut message| {
            if message.tenant.is_empty() {
                message.tenant.clone_from(&tenant);
            }
            message
        });
        let (channel, request) = self.nearest(messages, STREAM_TIMEOUT);
        async move {
            let opened = RelationshipsClient::new(channel).import_relationships(request).await;
            let stream = opened.map_err(|status| Error::answered(&status))?.into_inner();
            Ok(stream.map_err(|status| Error::answered(&status)).boxed())
        }
        .boxed()
    }

    method!(
        /// Gives a tenant a schema.
        write_schema: SchemasClient, WriteSchemaRequest => WriteSchemaResponse, call, tenant, key
    );
    method!(
        /// Returns the schema of a tenant.
        read_schema: SchemasClient, ReadSchemaRequest => ReadSchemaResponse, call, tenant
    );
    method!(
        /// Makes a role.
        create_role: RolesClient, CreateRoleRequest => CreateRoleResponse, call, tenant, key
    );
    method!(
        /// Returns a role.
        get_role: RolesClient, GetRoleRequest => GetRoleResponse, call, tenant
    );
    method!(
        /// Lists roles.
        list_roles: RolesClient, ListRolesRequest => ListRolesResponse, call, tenant
    );
    method!(
        /// Replaces what a role names and inherits.
        update_role: RolesClient, UpdateRoleRequest => UpdateRoleResponse, call, tenant, key
    );
    method!(
        /// Deletes a role.
        delete_role: RolesClient, DeleteRoleRequest => DeleteRoleResponse, call, tenant, key
    );
    method!(
        /// Grants a role.
        create_grant: GrantsClient, CreateGrantRequest => CreateGrantResponse, call, tenant, key
    );
    method!(
        /// Returns a grant.
        get_grant: GrantsClient, GetGrantRequest => GetGrantResponse, call, tenant
    );
    method!(
        /// Lists grants.
        list_grants: GrantsClient, ListGrantsRequest => ListGrantsResponse, call, tenant
    );
    method!(
        /// Revokes grants. Once it returns, no node answers ALLOW because of them.
        revoke_grants: GrantsClient, RevokeGrantsRequest => RevokeGrantsResponse, call, tenant, key
    );
    method!(
        /// Revokes every live grant that matches.
        revoke_grants_by_filter: GrantsClient,
        RevokeGrantsByFilterRequest => RevokeGrantsByFilterResponse, call, tenant, key
    );
    method!(
        /// Makes a tenant.
        create_tenant: TenantsClient, CreateTenantRequest => CreateTenantResponse, call, key
    );
    method!(
        /// Lists tenants.
        list_tenants: TenantsClient, ListTenantsRequest => ListTenantsResponse, call
    );
    method!(
        /// Deletes a tenant and everything in it.
        delete_tenant: TenantsClient, DeleteTenantRequest => DeleteTenantResponse, call, key
    );
    method!(
        /// Makes a cluster of the node that is called.
        init: ClusterClient, InitRequest => InitResponse, call
    );
    method!(
        /// Shows the cluster as one node sees it.
        status: ClusterClient, StatusRequest => StatusResponse, call
    );
    method!(
        /// Lets a node in.
        join: ClusterClient, JoinRequest => JoinResponse, call
    );
    method!(
        /// Adds a node as a learner.
        add_node: ClusterClient, AddNodeRequest => AddNodeResponse, call
    );
    method!(
        /// Lets a learner vote.
        promote_node: ClusterClient, PromoteNodeRequest => PromoteNodeResponse, call
    );
    method!(
        /// Removes a node for good.
        remove_node: ClusterClient, RemoveNodeRequest => RemoveNodeResponse, call
    );
    method!(
        /// Hands leadership to another voter.
        transfer_leader: ClusterClient, TransferLeaderRequest => TransferLeaderResponse, call
    );
    method!(
        /// Returns the hash of a node's state at a revision.
        state_hash: ClusterClient, StateHashRequest => StateHashResponse, call
    );
    method!(
        /// Shows how read leases are granted.
        get_lease_config: ClusterClient, GetLeaseConfigRequest => GetLeaseConfigResponse, call
    );
    method!(
        /// Changes how read leases are granted.
        set_lease_config: ClusterClient, SetLeaseConfigRequest => SetLeaseConfigResponse, call, key
    );

    method!(
        /// Makes a token that lets one node in, and is shown once. When it is tried again, it may make another, which nobody knows.
        create_join_token: ClusterClient, CreateJoinTokenRequest => CreateJoinTokenResponse, call
    );
    method!(
        /// Shows which join tokens there are.
        list_join_tokens: ClusterClient, ListJoinTokensRequest => ListJoinTokensResponse, call
    );
    method!(
        /// Has a join token let nobody in any more.
        revoke_join_token: ClusterClient, RevokeJoinTokenRequest => RevokeJoinTokenResponse, call, key
    );
    method!(
        /// Has another authority sign the certificates of nodes. When it is tried again, it may be refused because it was done.
        rotate_authority: ClusterClient, RotateAuthorityRequest => RotateAuthorityResponse, call
    );
    method!(
        /// Shows whose signatures count.
        list_authorities: ClusterClient, ListAuthoritiesRequest => ListAuthoritiesResponse, call
    );
    method!(
        /// Has the signatures of an authority count no more.
        drop_authority: ClusterClient, DropAuthorityRequest => DropAuthorityResponse, call, key
    );
}
