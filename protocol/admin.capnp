# What an operator can say to one node of Cairn.
#
# The model. Each node serves one `Admin` on a Unix-domain socket in its data directory (`admin.socket`, or the
# configuration key of that name), never on a network: the socket has mode 0600 in a directory of mode 0700, so
# whoever can open it could read the node's data as well, and is the operator. There is no other sign-in. It
# knows nothing of accounts and gives no way to their content.
#
# Each node speaks for itself. `status` tells what the asked node knows first hand (its actors, its links, its
# replicas) and what it knows by hearsay (the directory, which any replica of it, or another node, answered; it may
# be a moment old). Who wants to see the whole cluster asks each node and puts the answers together, as `cairn
# cluster status` does. `status` always comes, and soon: what could not be told within two seconds is left out and
# named in `missing`, each with the reason, and of a directory that does not answer the node's last map is shown.
#
# Changes of the cluster (`setSetting`, `drain`, `undrain`) are commands of the directory, from whichever node they
# are sent; when they return they are durable and have their event. Sending one again changes nothing more.
# `transferLeadership` is asked of the node whose replica leads; another one's answer says which that is.
# `restartActor` is about the asked node alone.
#
# Words. States, roles and kinds are the words of the directory, as text, so that an older reader can show what it
# does not know. A node: joining, alive, dead, draining, removed. A node's roles: gateway, api, block, metadata. A
# replica's kind: voter, learner, leaving; its role: follower, pre_candidate, candidate, leader. A link: waiting,
# connecting, up.
#
# Errors and growth are as in files.capnp.

@0xdb3f4807c7a9ce98;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("cairn::rpc");

interface Admin {
  status @0 () -> (status :AdminStatus);

  setSetting @1 (name :Text, value :Text) -> ();
  # One of the cluster's settings, as `status` lists them. An empty value brings back the default. invalidArgument:
  # there is no such setting, or the value is out of its range.

  drain @2 (node :Text) -> ();
  # The node's replicas are moved to others and it gets no new ones; it goes on serving. notFound.

  undrain @3 (node :Text) -> ();
  # conflict: it is not draining.

  transferLeadership @4 (shard :UInt32, node :Text) -> ();
  # Begins to hand on; that the other replica leads shows in `status`. notFound: no such shard, or no replica of
  # it there. conflict: that replica cannot lead. unavailable: this node's replica does not lead the shard.

  restartActor @5 (name :Text) -> ();
  # Stops an actor of this node, which its supervisor then starts again. notFound; conflict: it does not run.
}

struct AdminStatus {
  node @0 :Node;
  actors @1 :List(Actor);
  links @2 :List(Link);
  replicas @3 :List(Replica);
  directory @4 :Directory;
  missing @5 :List(Text);
  # What is not told above, and why: a sentence each.

  struct Node {
    name @0 :Text;
    version @1 :Text;
    incarnation @2 :UInt64;
    uptimeMillis @3 :UInt64;
    zone @4 :Text;
    roles @5 :List(Text);
    rpcAddress @6 :Text;
    # Empty: it serves no clients.
    linkAddress @7 :Text;
    # Empty: it has no links.
    registered @8 :Bool;
    # By the directory, under its incarnation of now.
    mapEpoch @9 :UInt64;
  }

  struct Actor {
    name @0 :Text;
    running @1 :Bool;
    restarts @2 :UInt32;
    lastCrash @3 :Text;
  }

  struct Link {
    peer @0 :Text;
    address @1 :Text;
    state @2 :Text;
    dials @3 :Bool;
    # This node dials, not the peer.
    incarnation @4 :UInt64;
    clockSkewMillis @5 :Int64;
    # The peer's clock less this one's, when the link came up.
    timesUp @6 :UInt64;
    bufferedBytes @7 :UInt64;
    bytesSent @8 :UInt64;
    bytesReceived @9 :UInt64;
    lastError @10 :Text;
  }

  struct Replica {
    # One that this node holds. Indexes are of its shard's log.
    shard @0 :UInt32;
    id @1 :UInt64;
    role @2 :Text;
    term @3 :UInt64;
    leader @4 :UInt64;
    # The replica that leads as far as this one knows; 0: none.
    applied @5 :UInt64;
    committed @6 :UInt64;
    lastIndex @7 :UInt64;
    checkpointed @8 :UInt64;
    logBytes @9 :UInt64;
    withdrawn @10 :Bool;
    # It found rot in itself and takes no part any more.
    settled @11 :Bool;
    # Of a leader: what was committed before its term is applied here.
    lag @12 :List(Lag);
    # Of a leader: entries that each other replica lacks; who was never heard is not there.
    withdrawnWhy @13 :Text;
  }

  struct Lag {
    replica @0 :UInt64;
    entries @1 :UInt64;
  }

  struct Directory {
    epoch @0 :UInt64;
    nodes @1 :List(Member);
    shards @2 :List(Shard);
    settings @3 :List(Setting);
    events @4 :List(Event);
    # The last ones, newest first.
  }

  struct Member {
    name @0 :Text;
    state @1 :Text;
    # Empty: not known, when the directory does not answer.
    zone @2 :Text;
    roles @3 :List(Text);
    linkAddress @4 :Text;
    rpcAddress @5 :Text;
    incarnation @6 :UInt64;
  }

  struct Shard {
    id @0 :UInt32;
    slots @1 :List(SlotRange);
    # None: the directory's own shard.
    placed @2 :List(Placed);
    leader @3 :UInt64;
    # The last one heard of; 0: none.
    leaderTerm @4 :UInt64;
    wanted @5 :UInt32;
  }

  struct SlotRange {
    first @0 :UInt16;
    last @1 :UInt16;
  }

  struct Placed {
    replica @0 :UInt64;
    node @1 :Text;
    kind @2 :Text;
  }

  struct Setting {
    name @0 :Text;
    value @1 :Text;
  }

  struct Event {
    number @0 :UInt64;
    timeMillis @1 :Int64;
    what @2 :Text;
    why @3 :Text;
  }
}
