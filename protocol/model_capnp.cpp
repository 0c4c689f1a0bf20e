#include "protocol/model_capnp.hpp"

#include <string>

#include "protocol/limits.hpp"

namespace cairn {
namespace {

std::string text_of(capnp::Text::Reader in) { return std::string(in.begin(), in.size()); }
Bytes bytes_of(capnp::Data::Reader in) {
  return Bytes(reinterpret_cast<const char*>(in.begin()), in.size());
}
BytesView view_of(capnp::Data::Reader in) {
  return BytesView(reinterpret_cast<const char*>(in.begin()), in.size());
}
capnp::Text::Reader to_text(const std::string& text) { return {text.c_str(), text.size()}; }
capnp::Data::Reader to_data(BytesView bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

/// The error with the place in front that the caller knows: "changes[3]." and so on.
Error within(const std::string& place, const Error& error) {
  return Error{error.code, place + error.message};
}

std::string at(const char* list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

Error over_limit(const char* field, std::size_t size, std::size_t limit) {
  return Error{Errc::too_large, std::string(field) + ": " + std::to_string(size) + ", at most " +
                                    std::to_string(limit)};
}

Result<BlockId> block_id(capnp::Data::Reader in, const std::string& field) {
  if (const auto id = BlockId::from_bytes(view_of(in))) return *id;
  return Error{Errc::invalid_argument,
               field + ": a block id is 32 bytes, this is " + std::to_string(in.size())};
}

Result<EntryKind> kind_of(rpc::EntryKind in) {
  switch (in) {
    case rpc::EntryKind::FOLDER: return EntryKind::folder;
    case rpc::EntryKind::FILE: return EntryKind::file;
    case rpc::EntryKind::SYMLINK: return EntryKind::symlink;
    case rpc::EntryKind::UNKNOWN: break;
  }
  return Error{Errc::invalid_argument,
               "kind: " + std::to_string(static_cast<unsigned>(in)) + " is no kind of entry"};
}

rpc::EntryKind to_kind(EntryKind kind) {
  switch (kind) {
    case EntryKind::folder: return rpc::EntryKind::FOLDER;
    case EntryKind::file: return rpc::EntryKind::FILE;
    case EntryKind::symlink: return rpc::EntryKind::SYMLINK;
  }
  return rpc::EntryKind::UNKNOWN;
}

Attributes attributes_of(rpc::Attributes::Reader in) {
  return {.mode = in.getMode(), .modified_nanos = in.getModifiedNanos()};
}
void set_attributes(const Attributes& value, rpc::Attributes::Builder out) {
  out.setMode(value.mode);
  out.setModifiedNanos(value.modified_nanos);
}

Result<Change> make_folder(rpc::Change::MakeFolder::Reader in) {
  auto parent = from_capnp(in.getParent());
  if (!parent.ok()) return within("makeFolder.parent.", parent.error());
  return Change(MakeFolder{std::move(*parent), text_of(in.getName()), attributes_of(in.getAttributes())});
}

Result<Change> put_file(rpc::Change::PutFile::Reader in) {
  auto parent = from_capnp(in.getParent());
  if (!parent.ok()) return within("putFile.parent.", parent.error());
  auto kind = kind_of(in.getKind());
  if (!kind.ok()) return within("putFile.", kind.error());
  auto content = from_capnp(in.getContent());
  if (!content.ok()) return within("putFile.content.", content.error());
  const auto base = in.getBase();
  return Change(PutFile{.parent = std::move(*parent),
                        .name = text_of(in.getName()),
                        .kind = *kind,
                        .base = {EntryId{base.getEntry()}, VersionNumber{base.getVersion()}},
                        .content = std::move(*content),
                        .attributes = attributes_of(in.getAttributes())});
}

Result<Change> set_attributes(rpc::Change::SetAttributes::Reader in) {
  auto entry = from_capnp(in.getEntry());
  if (!entry.ok()) return within("setAttributes.entry.", entry.error());
  return Change(SetAttributes{std::move(*entry), attributes_of(in.getAttributes())});
}

Result<Change> move(rpc::Change::Move::Reader in) {
  auto entry = from_capnp(in.getEntry());
  if (!entry.ok()) return within("move.entry.", entry.error());
  auto parent = from_capnp(in.getParent());
  if (!parent.ok()) return within("move.parent.", parent.error());
  return Change(Move{std::move(*entry), std::move(*parent), text_of(in.getName())});
}

Result<Change> remove(rpc::Change::Remove::Reader in) {
  auto entry = from_capnp(in.getEntry());
  if (!entry.ok()) return within("remove.entry.", entry.error());
  return Change(Remove{std::move(*entry), VersionNumber{in.getBase()}});
}

Result<Change> revert(rpc::Change::Revert::Reader in) {
  auto entry = from_capnp(in.getEntry());
  if (!entry.ok()) return within("revert.entry.", entry.error());
  return Change(Revert{std::move(*entry), VersionNumber{in.getVersion()}});
}

/// Writes the member of the union that the change is.
struct ChangeWriter {
  rpc::Change::Builder out;

  void operator()(const MakeFolder& change) {
    auto to = out.initMakeFolder();
    to_capnp(change.parent, to.initParent());
    to.setName(to_text(change.name));
    set_attributes(change.attributes, to.initAttributes());
  }
  void operator()(const PutFile& change) {
    auto to = out.initPutFile();
    to_capnp(change.parent, to.initParent());
    to.setName(to_text(change.name));
    to.setKind(to_kind(change.kind));
    auto base = to.initBase();
    base.setEntry(change.base.entry.value);
    base.setVersion(change.base.version.value);
    to_capnp(change.content, to.initContent());
    set_attributes(change.attributes, to.initAttributes());
  }
  void operator()(const SetAttributes& change) {
    auto to = out.initSetAttributes();
    to_capnp(change.entry, to.initEntry());
    set_attributes(change.attributes, to.initAttributes());
  }
  void operator()(const Move& change) {
    auto to = out.initMove();
    to_capnp(change.entry, to.initEntry());
    to_capnp(change.parent, to.initParent());
    to.setName(to_text(change.name));
  }
  void operator()(const Remove& change) {
    auto to = out.initRemove();
    to_capnp(change.entry, to.initEntry());
    to.setBase(change.base.value);
  }
  void operator()(const Restore& change) { out.initRestore().setEntry(change.entry.value); }
  void operator()(const Revert& change) {
    auto to = out.initRevert();
    to_capnp(change.entry, to.initEntry());
    to.setVersion(change.version.value);
  }
  void operator()(const Purge& change) { out.initPurge().setEntry(change.entry.value); }
};

}  // namespace

Result<EntryRef> from_capnp(rpc::EntryRef::Reader in) {
  if (in.getPath().size() > limits::max_path_bytes)
    return over_limit("path: bytes", in.getPath().size(), limits::max_path_bytes);
  return EntryRef{EntryId{in.getBase()}, text_of(in.getPath())};
}

Result<Content> from_capnp(rpc::Content::Reader in) {
  const auto inline_bytes = in.getInlineBytes();
  if (inline_bytes.size() > limits::max_inline_bytes)
    return over_limit("inlineBytes: bytes", inline_bytes.size(), limits::max_inline_bytes);
  const auto blocks = in.getBlocks();
  if (blocks.size() > limits::max_manifest_blocks)
    return over_limit("blocks: number", blocks.size(), limits::max_manifest_blocks);
  Content content{.size = in.getSize(), .inline_bytes = bytes_of(inline_bytes), .blocks = {}};
  content.blocks.reserve(blocks.size());
  for (const auto block : blocks) {
    const auto id = BlockId::from_bytes(view_of(block.getId()));
    if (!id) return block_id(block.getId(), at("blocks", content.blocks.size()) + ".id").error();
    content.blocks.push_back({*id, block.getBytes()});
  }
  return content;
}

Result<Change> from_capnp(rpc::Change::Reader in) {
  switch (in.which()) {
    case rpc::Change::MAKE_FOLDER: return make_folder(in.getMakeFolder());
    case rpc::Change::PUT_FILE: return put_file(in.getPutFile());
    case rpc::Change::SET_ATTRIBUTES: return set_attributes(in.getSetAttributes());
    case rpc::Change::MOVE: return move(in.getMove());
    case rpc::Change::REMOVE: return remove(in.getRemove());
    case rpc::Change::RESTORE: return Change(Restore{EntryId{in.getRestore().getEntry()}});
    case rpc::Change::REVERT: return revert(in.getRevert());
    case rpc::Change::PURGE: return Change(Purge{EntryId{in.getPurge().getEntry()}});
    case rpc::Change::UNKNOWN: break;
  }
  return Error{Errc::invalid_argument,
               "kind: " + std::to_string(static_cast<unsigned>(in.which())) + " is no kind of change"};
}

Result<Receipt> from_capnp(rpc::Receipt::Reader in, AccountId account) {
  const auto id = block_id(in.getBlock(), "block");
  if (!id.ok()) return id.error();
  if (in.getMac().size() != 32)
    return Error{Errc::bad_receipt,
                 "mac: 32 bytes are expected, this is " + std::to_string(in.getMac().size())};
  return Receipt{.block = *id,
                 .bytes = in.getBytes(),
                 .account = account,
                 .issued = {in.getIssuedAtMillis()},
                 .mac = bytes_of(in.getMac())};
}

Result<Commit> from_capnp(rpc::Commit::Reader in, AccountId account) {
  const auto changes = in.getChanges();
  const auto receipts = in.getReceipts();
  if (changes.size() == 0) return Error{Errc::invalid_argument, "changes: there is none"};
  if (changes.size() > limits::max_changes_per_commit)
    return over_limit("changes: number", changes.size(), limits::max_changes_per_commit);
  if (receipts.size() > limits::max_manifest_blocks)
    return over_limit("receipts: number", receipts.size(), limits::max_manifest_blocks);
  Commit commit;
  commit.request = {ClientId{in.getClientId()}, in.getSequence()};
  commit.acknowledged = in.getAcknowledged();
  commit.changes.reserve(changes.size());
  for (const auto one : changes) {
    auto change = from_capnp(one);
    if (!change.ok()) return within(at("changes", commit.changes.size()) + ".", change.error());
    commit.changes.push_back(std::move(*change));
  }
  commit.receipts.reserve(receipts.size());
  for (const auto one : receipts) {
    auto receipt = from_capnp(one, account);
    if (!receipt.ok()) return within(at("receipts", commit.receipts.size()) + ".", receipt.error());
    commit.receipts.push_back(std::move(*receipt));
  }
  return commit;
}

Result<Entry> from_capnp(rpc::Entry::Reader in) {
  const auto kind = kind_of(in.getKind());
  if (!kind.ok()) return kind.error();
  return Entry{.id = EntryId{in.getId()},
               .parent = EntryId{in.getParent()},
               .name = text_of(in.getName()),
               .kind = *kind,
               .version = VersionNumber{in.getVersion()},
               .size = in.getSize(),
               .attributes = attributes_of(in.getAttributes()),
               .committed_at = {in.getCommittedAtMillis()},
               .changed = Cursor{in.getChanged()},
               .trashed = in.getTrashed()};
}

Result<EntryPage> from_capnp(rpc::EntryPage::Reader in) {
  const auto entries = in.getEntries();
  if (entries.size() > limits::max_list_page)
    return over_limit("entries: number", entries.size(), limits::max_list_page);
  EntryPage page{.entries = {}, .next = text_of(in.getNext())};
  page.entries.reserve(entries.size());
  for (const auto one : entries) {
    auto entry = from_capnp(one);
    if (!entry.ok()) return within(at("entries", page.entries.size()) + ".", entry.error());
    page.entries.push_back(std::move(*entry));
  }
  return page;
}

Result<ChangePage> from_capnp(rpc::ChangePage::Reader in) {
  const auto events = in.getEvents();
  if (events.size() > limits::max_list_page)
    return over_limit("events: number", events.size(), limits::max_list_page);
  ChangePage page{.events = {}, .cursor = Cursor{in.getCursor()}, .more = in.getMore()};
  page.events.reserve(events.size());
  for (const auto one : events) {
    ChangeEvent event{Cursor{one.getCursor()}, EntryId{one.getEntry()}, std::nullopt};
    if (!one.getGone()) {
      auto entry = from_capnp(one.getNow());
      if (!entry.ok()) return within(at("events", page.events.size()) + ".now.", entry.error());
      event.now = std::move(*entry);
    }
    page.events.push_back(std::move(event));
  }
  return page;
}

ChangeResult from_capnp(rpc::ChangeResult::Reader in) {
  ChangeResult result;
  if (in.getError() != 0)
    result.error = Error{errc_from_number(in.getError()), text_of(in.getMessage())};
  const auto outcome = in.getOutcome();
  if (outcome >= static_cast<unsigned>(Outcome::created) &&
      outcome <= static_cast<unsigned>(Outcome::purged))
    result.outcome = static_cast<Outcome>(outcome);
  result.entry = EntryId{in.getEntry()};
  result.version = VersionNumber{in.getVersion()};
  result.name = text_of(in.getName());
  return result;
}

Version from_capnp(rpc::Version::Reader in) {
  return {.number = VersionNumber{in.getNumber()},
          .size = in.getSize(),
          .attributes = attributes_of(in.getAttributes()),
          .committed_at = {in.getCommittedAtMillis()},
          .device = text_of(in.getDevice())};
}

Usage from_capnp(rpc::Usage::Reader in) {
  return {.used_bytes = in.getUsedBytes(), .quota_bytes = in.getQuotaBytes(), .entries = in.getEntries()};
}

Device from_capnp(rpc::Device::Reader in) {
  return {.client = ClientId{in.getClientId()},
          .name = text_of(in.getName()),
          .signed_in = {in.getSignedInMillis()},
          .revoked = in.getRevoked()};
}

Result<std::vector<BlockId>> block_ids_from_capnp(capnp::List<capnp::Data>::Reader in) {
  if (in.size() > limits::max_missing_ids)
    return over_limit("ids: number", in.size(), limits::max_missing_ids);
  std::vector<BlockId> ids;
  ids.reserve(in.size());
  for (const auto one : in) {
    const auto id = BlockId::from_bytes(view_of(one));
    if (!id) return block_id(one, at("ids", ids.size())).error();
    ids.push_back(*id);
  }
  return ids;
}

void to_capnp(const EntryRef& value, rpc::EntryRef::Builder out) {
  out.setBase(value.base.value);
  out.setPath(to_text(value.path));
}

void to_capnp(const Content& value, rpc::Content::Builder out) {
  out.setSize(value.size);
  if (!value.inline_bytes.empty()) out.setInlineBytes(to_data(value.inline_bytes));
  if (value.blocks.empty()) return;
  auto blocks = out.initBlocks(static_cast<unsigned>(value.blocks.size()));
  for (unsigned i = 0; i < blocks.size(); ++i) {
    blocks[i].setId(to_data(value.blocks[i].id.view()));
    blocks[i].setBytes(value.blocks[i].bytes);
  }
}

void to_capnp(const Change& value, rpc::Change::Builder out) { std::visit(ChangeWriter{out}, value); }

void to_capnp(const Receipt& value, rpc::Receipt::Builder out) {
  out.setBlock(to_data(value.block.view()));
  out.setBytes(value.bytes);
  out.setIssuedAtMillis(value.issued.millis);
  out.setMac(to_data(value.mac));
}

void to_capnp(const Commit& value, rpc::Commit::Builder out) {
  out.setClientId(value.request.client.value);
  out.setSequence(value.request.sequence);
  out.setAcknowledged(value.acknowledged);
  auto changes = out.initChanges(static_cast<unsigned>(value.changes.size()));
  for (unsigned i = 0; i < changes.size(); ++i) to_capnp(value.changes[i], changes[i]);
  auto receipts = out.initReceipts(static_cast<unsigned>(value.receipts.size()));
  for (unsigned i = 0; i < receipts.size(); ++i) to_capnp(value.receipts[i], receipts[i]);
}

void to_capnp(const Entry& value, rpc::Entry::Builder out) {
  out.setId(value.id.value);
  out.setParent(value.parent.value);
  out.setName(to_text(value.name));
  out.setKind(to_kind(value.kind));
  out.setVersion(value.version.value);
  out.setSize(value.size);
  set_attributes(value.attributes, out.initAttributes());
  out.setCommittedAtMillis(value.committed_at.millis);
  out.setChanged(value.changed.value);
  out.setTrashed(value.trashed);
}

void to_capnp(const EntryPage& value, rpc::EntryPage::Builder out) {
  auto entries = out.initEntries(static_cast<unsigned>(value.entries.size()));
  for (unsigned i = 0; i < entries.size(); ++i) to_capnp(value.entries[i], entries[i]);
  out.setNext(to_text(value.next));
}

void to_capnp(const ChangePage& value, rpc::ChangePage::Builder out) {
  auto events = out.initEvents(static_cast<unsigned>(value.events.size()));
  for (unsigned i = 0; i < events.size(); ++i) {
    const auto& event = value.events[i];
    events[i].setCursor(event.cursor.value);
    events[i].setEntry(event.entry.value);
    events[i].setGone(!event.now);
    if (event.now) to_capnp(*event.now, events[i].initNow());
  }
  out.setCursor(value.cursor.value);
  out.setMore(value.more);
}

void to_capnp(const ChangeResult& value, rpc::ChangeResult::Builder out) {
  if (value.error) {
    out.setError(static_cast<std::uint16_t>(value.error->code));
    out.setMessage(to_text(value.error->message));
  }
  out.setOutcome(static_cast<std::uint8_t>(value.outcome));
  out.setEntry(value.entry.value);
  out.setVersion(value.version.value);
  if (!value.name.empty()) out.setName(to_text(value.name));
}

void to_capnp(const Version& value, rpc::Version::Builder out) {
  out.setNumber(value.number.value);
  out.setSize(value.size);
  set_attributes(value.attributes, out.initAttributes());
  out.setCommittedAtMillis(value.committed_at.millis);
  out.setDevice(to_text(value.device));
}

void to_capnp(const Usage& value, rpc::Usage::Builder out) {
  out.setUsedBytes(value.used_bytes);
  out.setQuotaBytes(value.quota_bytes);
  out.setEntries(value.entries);
}

void to_capnp(const Device& value, rpc::Device::Builder out) {
  out.setClientId(value.client.value);
  out.setName(to_text(value.name));
  out.setSignedInMillis(value.signed_in.millis);
  out.setRevoked(value.revoked);
}

}  // namespace cairn
