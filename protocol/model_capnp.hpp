// Model values to and from their Cap'n Proto form: the one codec that client and server share. Reading
// never trusts the peer: lists over their limit, block ids of another length and unknown kinds are
// errors that name the field. Pure functions, any thread.
#pragma once

#include <vector>

#include "protocol/files.capnp.h"
#include "protocol/model.hpp"

namespace cairn {

Result<EntryRef> from_capnp(rpc::EntryRef::Reader in);
Result<Content> from_capnp(rpc::Content::Reader in);
Result<Change> from_capnp(rpc::Change::Reader in);
/// Receipts do not carry the account on the wire: it is the session's.
Result<Receipt> from_capnp(rpc::Receipt::Reader in, AccountId account);
Result<Commit> from_capnp(rpc::Commit::Reader in, AccountId account);
Result<Entry> from_capnp(rpc::Entry::Reader in);
Result<EntryPage> from_capnp(rpc::EntryPage::Reader in);
Result<ChangePage> from_capnp(rpc::ChangePage::Reader in);
ChangeResult from_capnp(rpc::ChangeResult::Reader in);
Version from_capnp(rpc::Version::Reader in);
Usage from_capnp(rpc::Usage::Reader in);
Device from_capnp(rpc::Device::Reader in);
Result<std::vector<BlockId>> block_ids_from_capnp(capnp::List<capnp::Data>::Reader in);

void to_capnp(const EntryRef& value, rpc::EntryRef::Builder out);
void to_capnp(const Content& value, rpc::Content::Builder out);
void to_capnp(const Change& value, rpc::Change::Builder out);
void to_capnp(const Receipt& value, rpc::Receipt::Builder out);
void to_capnp(const Commit& value, rpc::Commit::Builder out);
void to_capnp(const Entry& value, rpc::Entry::Builder out);
void to_capnp(const EntryPage& value, rpc::EntryPage::Builder out);
void to_capnp(const ChangePage& value, rpc::ChangePage::Builder out);
void to_capnp(const ChangeResult& value, rpc::ChangeResult::Builder out);
void to_capnp(const Version& value, rpc::Version::Builder out);
void to_capnp(const Usage& value, rpc::Usage::Builder out);
void to_capnp(const Device& value, rpc::Device::Builder out);

}  // namespace cairn
