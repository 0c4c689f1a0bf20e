# What a client can say to Cairn.
#
# The model. A connection starts with one capability, `Cairn`, which can do nothing but sign in. What
# it returns is the key to more: a `Session` is one device's authority over one account, a `Drive` is
# authority over that account's tree. There is no other authority: an entry id or a block id opens
# nothing by itself, and a capability ends with its session's token (when that is revoked, calls on it
# answer `revokedToken`).
#
# Entries. A drive is a tree; its root is entry 1. An `EntryRef` names an entry as a base id and a path
# from there, so a client that knows ids need not know names, and a batch may put a file into a folder
# that an earlier change of the same batch makes. A removed entry is in the trash under its id until
# it is restored or purged.
#
# Changes and retries. There is one mutating call on a drive, `commit`: a batch of up to 1,000 changes,
# each with a result of its own, applied in order in one step of the log. It carries a `RequestId`: the
# device's random client id and a sequence number that the device uses once. Sending the same
# RequestId again (after a lost answer, over another connection, to a restarted server) changes nothing
# and answers what the first one answered. Results are kept until the device says, in `acknowledged`,
# that it has them; at most 256 are kept, and an older one is answered with `requestForgotten`.
# When `commit` has returned, the changes are durable.
#
# Content. A file is bytes inline (up to 4 KiB) or a list of blocks of up to 4 MiB, each named by its
# SHA-256. The client asks `missingBlocks` which blocks its own drive lacks, sends those by `putBlock`,
# and passes the receipts it got to `commit`. A receipt is good for a day, for this drive only. A
# manifest that names a block that is neither in the drive nor covered by a receipt is refused. What
# other drives hold is never told.
#
# Flow control. `putBlock` is answered when the block is durable; a client keeps a bounded number of
# bytes unanswered (32 MiB at most, or the server stops reading). `download` streams into the client's
# own `ByteSink` with at most a window's worth unacknowledged.
#
# The feed. Every change of a drive has a number; a `cursor` is the number of the last change that was
# seen. `changes` answers what happened after a cursor, with the entries as they are now. `watch` sends
# the same to a callback as it happens, one call at a time; after a lost connection a client watches
# again from its last cursor and misses nothing and is told nothing twice. A cursor from before the
# kept journal is answered with `cursorExpired`: list the drive again.
#
# Errors. A call that fails throws an exception whose reason starts with the code of the error in
# snake_case and a colon ("not_found: no entry …"); codes are the words of `Errc` in protocol/error.hpp.
# The result of one change in a batch carries the code as a number instead.
#
# Growth. Fields, methods, union members and enumerants are only ever added, with the next number;
# none is removed, renumbered or given another meaning. A reader ignores what it does not know, and
# the zero of a new field must mean what its absence meant. `Cairn.hello` tells the protocol's version
# for what that cannot cover.

@0xb5d1f3a26c7e9084;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("cairn::rpc");

interface Cairn {
  hello @0 (client :Text) -> (protocol :UInt32, server :Text, signUp :Bool);
  # `protocol` is 1. `signUp`: this server lets this peer make accounts.

  signUp @1 (login :Text, password :Text) -> ();
  # Makes an account; alreadyExists if the login is taken.

  signIn @2 (login :Text, password :Text, device :Text, clientId :UInt64)
      -> (token :Text, session :Session);
  # The token resumes this session later; it is shown once.

  resume @3 (token :Text) -> (session :Session);
}

interface Session {
  account @0 () -> (login :Text, accountId :UInt64);
  drive @1 () -> (drive :Drive);
  devices @2 () -> (devices :List(Device));
  revoke @3 (clientId :UInt64) -> ();
  # Revokes the tokens of one device of this account; 0 is this session's own.
  setPassword @4 (old :Text, new :Text) -> ();
  # Ends all other sessions. conflict: the password was changed by another call meanwhile; nothing was done.
}

interface Drive {
  stat @0 (entry :EntryRef) -> (entry :Entry);
  list @1 (folder :EntryRef, after :Text, limit :UInt32) -> (page :EntryPage);
  # In the byte order of names. `after` is "" or the former page's `next`.
  commit @2 (commit :Commit) -> (results :List(ChangeResult), cursor :UInt64);
  missingBlocks @3 (ids :List(Data)) -> (missing :List(UInt32));
  # Indexes into `ids`, ascending.
  putBlock @4 (id :Data, bytes :Data) -> (receipt :Receipt);
  read @5 (entry :EntryRef, version :UInt32, offset :UInt64, bytes :UInt32) -> (bytes :Data, size :UInt64, version :UInt32);
  # Up to 4 MiB from `offset`; fewer at the end of the file. Version 0 is the current one; `size` and
  # `version` are those of the version that was read.
  download @6 (entry :EntryRef, version :UInt32, offset :UInt64, bytes :UInt64, sink :ByteSink) -> (size :UInt64, version :UInt32);
  # Streams the range (to the end if `bytes` is 0) and returns after `sink.end`.
  manifest @7 (entry :EntryRef, version :UInt32) -> (content :Content, version :UInt32);
  versions @8 (entry :EntryRef, before :UInt32, limit :UInt32) -> (versions :List(Version));
  # Newest first, those with a number under `before` (all if 0).
  trash @9 (after :Text, limit :UInt32) -> (page :EntryPage);
  changes @10 (cursor :UInt64, limit :UInt32) -> (page :ChangePage);
  watch @11 (cursor :UInt64, watcher :Watcher) -> (watch :Watch);
  usage @12 () -> (usage :Usage);
}

interface ByteSink {
  write @0 (bytes :Data) -> stream;
  end @1 () -> ();
}

interface Watcher {
  changed @0 (page :ChangePage) -> ();
  # The next call comes after this one has returned.
  ended @1 (code :UInt16, message :Text) -> ();
  # The last call: why there will be no more.
}

interface Watch {}
# Dropping it ends the watch.

enum EntryKind { unknown @0; folder @1; file @2; symlink @3; }

struct EntryRef { base @0 :UInt64 = 1; path @1 :Text; }
struct Attributes { mode @0 :UInt32; modifiedNanos @1 :Int64; }
struct BlockRef { id @0 :Data; bytes @1 :UInt32; }
struct Content { size @0 :UInt64; inlineBytes @1 :Data; blocks @2 :List(BlockRef); }
struct Base { entry @0 :UInt64; version @1 :UInt32; }

struct Entry {
  id @0 :UInt64;
  parent @1 :UInt64;
  name @2 :Text;
  kind @3 :EntryKind;
  version @4 :UInt32;
  size @5 :UInt64;
  attributes @6 :Attributes;
  committedAtMillis @7 :Int64;
  changed @8 :UInt64;
  trashed @9 :Bool;
}

struct Version {
  number @0 :UInt32;
  size @1 :UInt64;
  attributes @2 :Attributes;
  committedAtMillis @3 :Int64;
  device @4 :Text;
}

struct Change {
  union {
    unknown @0 :Void;
    makeFolder @1 :MakeFolder;
    putFile @2 :PutFile;
    setAttributes @3 :SetAttributes;
    move @4 :Move;
    remove @5 :Remove;
    restore @6 :Restore;
    revert @7 :Revert;
    purge @8 :Purge;
  }
  struct MakeFolder { parent @0 :EntryRef; name @1 :Text; attributes @2 :Attributes; }
  struct PutFile {
    parent @0 :EntryRef;
    name @1 :Text;
    kind @2 :EntryKind = file;
    base @3 :Base;
    content @4 :Content;
    attributes @5 :Attributes;
  }
  struct SetAttributes { entry @0 :EntryRef; attributes @1 :Attributes; }
  struct Move { entry @0 :EntryRef; parent @1 :EntryRef; name @2 :Text; }
  struct Remove { entry @0 :EntryRef; base @1 :UInt32; }
  struct Restore { entry @0 :UInt64; }
  struct Revert { entry @0 :EntryRef; version @1 :UInt32; }
  struct Purge { entry @0 :UInt64; }
}

struct ChangeResult {
  error @0 :UInt16;      # an Errc, 0 if the change was made
  message @1 :Text;
  outcome @2 :UInt8;     # an Outcome of protocol/model.hpp
  entry @3 :UInt64;
  version @4 :UInt32;
  name @5 :Text;
}

struct Receipt {
  block @0 :Data;
  bytes @1 :UInt32;
  issuedAtMillis @2 :Int64;
  mac @3 :Data;
}

struct Commit {
  clientId @0 :UInt64;
  sequence @1 :UInt64;
  acknowledged @2 :UInt64;
  changes @3 :List(Change);
  receipts @4 :List(Receipt);
}

struct EntryPage { entries @0 :List(Entry); next @1 :Text; }
struct ChangeEvent { cursor @0 :UInt64; entry @1 :UInt64; gone @2 :Bool; now @3 :Entry; }
struct ChangePage { events @0 :List(ChangeEvent); cursor @1 :UInt64; more @2 :Bool; }
struct Usage { usedBytes @0 :UInt64; quotaBytes @1 :UInt64; entries @2 :UInt64; }
struct Device { clientId @0 :UInt64; name @1 :Text; signedInMillis @2 :Int64; revoked @3 :Bool; }
