#include "client/drive.hpp"

#include <algorithm>

#include "client/link.hpp"
#include "protocol/limits.hpp"
#include "protocol/model_capnp.hpp"
#include "protocol/names.hpp"
#include "protocol/rpc_errors.hpp"

namespace cairn::client {
namespace {

/// So many sequences are made durable at a time.
constexpr std::uint64_t sequences_reserved = 1'024;

capnp::Text::Reader to_text(const std::string& value) { return {value.c_str(), value.size()}; }
capnp::Data::Reader to_data(BytesView bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}
Bytes bytes_of(capnp::Data::Reader in) {
  return Bytes(reinterpret_cast<const char*>(in.begin()), in.size());
}

rpc::Drive::Client& drive_of(Line& line) { return KJ_ASSERT_NONNULL(line.drive); }

/// What the server answered, or that the answer breaks the protocol.
template <class T>
Result<T> checked(Result<T> decoded) {
  if (decoded.ok()) return decoded;
  return Error{Errc::protocol, "the server's answer: " + decoded.error().message};
}

Attempt<EntryPage> list_attempt(EntryRef folder, std::string after, std::uint32_t limit) {
  return [folder = std::move(folder), after = std::move(after), limit](Line& line) {
    auto request = drive_of(line).listRequest();
    to_capnp(folder, request.initFolder());
    request.setAfter(to_text(after));
    request.setLimit(limit);
    return request.send().then([](auto&& answer) { return checked(from_capnp(answer.getPage())); });
  };
}

Attempt<ReadResult> read_attempt(EntryRef entry, VersionNumber version, std::uint64_t offset,
                                 std::uint32_t bytes) {
  return [entry = std::move(entry), version, offset, bytes](Line& line) {
    auto request = drive_of(line).readRequest();
    to_capnp(entry, request.initEntry());
    request.setVersion(version.value);
    request.setOffset(offset);
    request.setBytes(bytes);
    return request.send().then([bytes](auto&& answer) -> Result<ReadResult> {
      if (answer.getBytes().size() > bytes)
        return Error{Errc::protocol, "the server's answer has more bytes than were asked for"};
      return ReadResult{bytes_of(answer.getBytes()), answer.getSize(), VersionNumber{answer.getVersion()}};
    });
  };
}

Attempt<ManifestResult> manifest_attempt(EntryRef entry, VersionNumber version) {
  return [entry = std::move(entry), version](Line& line) {
    auto request = drive_of(line).manifestRequest();
    to_capnp(entry, request.initEntry());
    request.setVersion(version.value);
    return request.send().then([](auto&& answer) -> Result<ManifestResult> {
      auto content = checked(from_capnp(answer.getContent()));
      if (!content.ok()) return content.error();
      return ManifestResult{std::move(*content), VersionNumber{answer.getVersion()}};
    });
  };
}

Attempt<std::vector<std::uint32_t>> missing_attempt(std::vector<BlockId> ids) {
  using Indexes = std::vector<std::uint32_t>;
  return [ids = std::move(ids)](Line& line) {
    auto request = drive_of(line).missingBlocksRequest();
    auto list = request.initIds(static_cast<unsigned>(ids.size()));
    for (unsigned i = 0; i < list.size(); ++i) list.set(i, to_data(ids[i].view()));
    return request.send().then([count = ids.size()](auto&& answer) -> Result<Indexes> {
      Indexes missing;
      missing.reserve(answer.getMissing().size());
      for (const auto index : answer.getMissing()) {
        if (index >= count || (!missing.empty() && index <= missing.back()))
          return Error{Errc::protocol, "the server's answer names blocks that were not asked for"};
        missing.push_back(index);
      }
      return missing;
    });
  };
}

Attempt<Receipt> put_block_attempt(BlockId id, std::shared_ptr<const Bytes> bytes) {
  return [id, bytes = std::move(bytes)](Line& line) {
    auto request = drive_of(line).putBlockRequest(
        capnp::MessageSize{bytes->size() / sizeof(capnp::word) + 32, 1});
    request.setId(to_data(id.view()));
    request.setBytes(to_data(*bytes));
    return request.send().then([](auto&& answer) {
      // The account is the session's: a client neither needs nor sends it.
      return checked(from_capnp(answer.getReceipt(), AccountId{}));
    });
  };
}

Attempt<CommitResult> commit_attempt(std::shared_ptr<const Commit> commit) {
  return [commit = std::move(commit)](Line& line) {
    auto request = drive_of(line).commitRequest();
    to_capnp(*commit, request.initCommit());
    return request.send().then([count = commit->changes.size()](auto&& answer) -> Result<CommitResult> {
      if (answer.getResults().size() != count)
        return Error{Errc::protocol, "the server's answer has another number of results than changes"};
      CommitResult result;
      result.cursor = Cursor{answer.getCursor()};
      for (const auto one : answer.getResults()) result.results.push_back(from_capnp(one));
      return result;
    });
  };
}

}  // namespace

Drive::Drive(std::shared_ptr<Link> link, std::unique_ptr<RequestIds> ids)
    : link_(std::move(link)), ids_(std::move(ids)) {}

Drive::~Drive() = default;

Result<Entry> Drive::stat(const EntryRef& entry) {
  return link_->wait<Entry>(Need::session, Resend::always, [&](Line& line) {
    auto request = drive_of(line).statRequest();
    to_capnp(entry, request.initEntry());
    return request.send().then([](auto&& answer) { return checked(from_capnp(answer.getEntry())); });
  });
}

Result<EntryPage> Drive::list_page(const EntryRef& folder, const std::string& after, std::uint32_t limit) {
  return link_->wait<EntryPage>(Need::session, Resend::always, list_attempt(folder, after, limit));
}

Result<std::vector<Entry>> Drive::list(const EntryRef& folder) {
  std::vector<Entry> entries;
  for (std::string after;;) {
    auto page = list_page(folder, after, limits::max_list_page);
    if (!page.ok()) return page.error();
    std::move(page->entries.begin(), page->entries.end(), std::back_inserter(entries));
    if (page->next.empty()) return entries;
    if (page->next <= after) return Error{Errc::protocol, "the server's listing does not go on"};
    after = page->next;
  }
}

Result<Entry> Drive::folder(const std::string& path, bool make) {
  const auto names = split_path(path);
  if (!names.ok()) return names.error();
  auto here = stat({root_entry, path});
  if (!here.ok() && here.error().code == Errc::not_found && make) {
    here = stat({});
    for (const auto& name : *names) {
      if (!here.ok()) break;
      const auto above = here->id;
      const auto made = commit_one(MakeFolder{{above, ""}, name, {.mode = 0755}});
      if (!made.ok() && made.error().code != Errc::already_exists) return made.error();
      here = stat({above, name});
    }
  }
  if (here.ok() && here->kind != EntryKind::folder)
    return Error{Errc::not_a_folder, "\"" + printable(path) + "\" is not a folder in the drive"};
  return here;
}

void Drive::commit(std::vector<Change> changes, std::vector<Receipt> receipts, Callback<CommitResult> done) {
  const auto ticket = ids_->begin();
  if (!ticket.ok()) return done(ticket.error());
  auto commit = std::make_shared<Commit>();
  commit->request = {ids_->client(), ticket->sequence};
  commit->acknowledged = ticket->acknowledged;
  commit->changes = std::move(changes);
  commit->receipts = std::move(receipts);
  link_->call<CommitResult>(Need::session, Resend::always, commit_attempt(commit),
                            [ids = ids_, sequence = ticket->sequence, done = std::move(done)](auto result) {
                              ids->end(sequence);
                              done(std::move(result));
                            });
}

Result<CommitResult> Drive::commit(std::vector<Change> changes, std::vector<Receipt> receipts) {
  std::promise<Result<CommitResult>> outcome;
  commit(std::move(changes), std::move(receipts),
         [&](Result<CommitResult> result) { outcome.set_value(std::move(result)); });
  return outcome.get_future().get();
}

Result<ChangeResult> Drive::commit_one(Change change) {
  std::vector<Change> changes;
  changes.push_back(std::move(change));
  auto result = commit(std::move(changes));
  if (!result.ok()) return result.error();
  if (result->results[0].error) return *result->results[0].error;
  return std::move(result->results[0]);
}

Result<std::vector<std::uint32_t>> Drive::missing_blocks(const std::vector<BlockId>& ids) {
  std::vector<std::uint32_t> missing;
  for (std::size_t begin = 0; begin < ids.size(); begin += limits::max_missing_ids) {
    const auto end = std::min(ids.size(), begin + limits::max_missing_ids);
    std::vector<BlockId> part(ids.begin() + static_cast<std::ptrdiff_t>(begin),
                              ids.begin() + static_cast<std::ptrdiff_t>(end));
    const auto found = link_->wait<std::vector<std::uint32_t>>(Need::session, Resend::always,
                                                               missing_attempt(std::move(part)));
    if (!found.ok()) return found.error();
    for (const auto index : *found) missing.push_back(static_cast<std::uint32_t>(begin) + index);
  }
  return missing;
}

void Drive::missing_blocks(std::vector<BlockId> ids, Callback<std::vector<std::uint32_t>> done) {
  link_->call<std::vector<std::uint32_t>>(Need::session, Resend::always, missing_attempt(std::move(ids)),
                                          std::move(done));
}

Result<Receipt> Drive::put_block(const BlockId& id, BytesView bytes) {
  return link_->wait<Receipt>(Need::session, Resend::always,
                              put_block_attempt(id, std::make_shared<const Bytes>(bytes)));
}

void Drive::put_block(const BlockId& id, std::shared_ptr<const Bytes> bytes, Callback<Receipt> done) {
  link_->call<Receipt>(Need::session, Resend::always, put_block_attempt(id, std::move(bytes)),
                       std::move(done));
}

Result<ReadResult> Drive::read(const EntryRef& entry, VersionNumber version, std::uint64_t offset,
                               std::uint32_t bytes) {
  return link_->wait<ReadResult>(Need::session, Resend::always, read_attempt(entry, version, offset, bytes));
}

void Drive::read(const EntryRef& entry, VersionNumber version, std::uint64_t offset, std::uint32_t bytes,
                 Callback<ReadResult> done) {
  link_->call<ReadResult>(Need::session, Resend::always, read_attempt(entry, version, offset, bytes),
                          std::move(done));
}

Result<ManifestResult> Drive::manifest(const EntryRef& entry, VersionNumber version) {
  return link_->wait<ManifestResult>(Need::session, Resend::always, manifest_attempt(entry, version));
}

void Drive::manifest(const EntryRef& entry, VersionNumber version, Callback<ManifestResult> done) {
  link_->call<ManifestResult>(Need::session, Resend::always, manifest_attempt(entry, version),
                              std::move(done));
}

Result<std::vector<Version>> Drive::versions(const EntryRef& entry) {
  std::vector<Version> versions;
  for (std::uint32_t before = 0;;) {
    auto page = link_->wait<std::vector<Version>>(Need::session, Resend::always, [&](Line& line) {
      auto request = drive_of(line).versionsRequest();
      to_capnp(entry, request.initEntry());
      request.setBefore(before);
      request.setLimit(limits::max_list_page);
      return request.send().then([](auto&& answer) -> Result<std::vector<Version>> {
        std::vector<Version> out;
        for (const auto version : answer.getVersions()) out.push_back(from_capnp(version));
        return out;
      });
    });
    if (!page.ok()) return page.error();
    if (page->empty()) return versions;
    if (before != 0 && page->back().number.value >= before)
      return Error{Errc::protocol, "the server's list of versions does not go on"};
    before = page->back().number.value;
    const bool last = page->size() < limits::max_list_page || before <= 1;
    std::move(page->begin(), page->end(), std::back_inserter(versions));
    if (last) return versions;
  }
}

Result<std::vector<Entry>> Drive::trash() {
  std::vector<Entry> entries;
  for (std::string after;;) {
    auto page = link_->wait<EntryPage>(Need::session, Resend::always, [&](Line& line) {
      auto request = drive_of(line).trashRequest();
      request.setAfter(to_text(after));
      request.setLimit(limits::max_list_page);
      return request.send().then([](auto&& answer) { return checked(from_capnp(answer.getPage())); });
    });
    if (!page.ok()) return page.error();
    std::move(page->entries.begin(), page->entries.end(), std::back_inserter(entries));
    if (page->next.empty()) return entries;
    if (page->next == after) return Error{Errc::protocol, "the server's listing does not go on"};
    after = page->next;
  }
}

Result<ChangePage> Drive::changes(Cursor cursor, std::uint32_t limit) {
  return link_->wait<ChangePage>(Need::session, Resend::always, [&](Line& line) {
    auto request = drive_of(line).changesRequest();
    request.setCursor(cursor.value);
    request.setLimit(limit);
    return request.send().then([](auto&& answer) { return checked(from_capnp(answer.getPage())); });
  });
}

Result<Usage> Drive::usage() {
  return link_->wait<Usage>(Need::session, Resend::always, [](Line& line) {
    return drive_of(line).usageRequest().send().then(
        [](auto&& answer) -> Result<Usage> { return from_capnp(answer.getUsage()); });
  });
}

std::unique_ptr<Watch> Drive::watch(Cursor cursor) { return std::make_unique<Watch>(link_, cursor); }

}  // namespace cairn::client
