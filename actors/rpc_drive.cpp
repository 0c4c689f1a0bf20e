// The Drive capability: queries, commits, blocks, reading and watching.
#include <caf/send.hpp>

#include <deque>

#include "actors/rpc_bridge.hpp"
#include "actors/rpc_download.hpp"
#include "actors/rpc_services.hpp"
#include "actors/rpc_watch.hpp"
#include "protocol/limits.hpp"
#include "protocol/model_capnp.hpp"

namespace cairn::actors {
namespace {

// What answers may take, about: a page of entries with long names, and the largest manifest.
constexpr std::size_t page_bytes = 1u << 20;
constexpr std::size_t manifest_bytes = 16u << 20;

std::string text(capnp::Text::Reader in) { return {in.begin(), in.size()}; }

class DriveService final : public rpc::Drive::Server {
 public:
  explicit DriveService(std::shared_ptr<HeldSession> held)
      : held_(std::move(held)),
        connection_(held_->connection),
        session_(held_->opened.session),
        account_(held_->opened.account) {}

  kj::Promise<void> stat(StatContext context) override {
    const auto params = context.getParams();
    return query<Entry>(cluster::Stat{account_, value_or_throw(from_capnp(params.getEntry()))})
        .then([context](Entry entry) mutable { to_capnp(entry, context.getResults().initEntry()); });
  }

  kj::Promise<void> list(ListContext context) override {
    const auto params = context.getParams();
    return large_query<EntryPage>(context, page_bytes,
                                  cluster::List{account_, value_or_throw(from_capnp(params.getFolder())),
                                                text(params.getAfter()), params.getLimit()})
        .then([context](EntryPage page) mutable { to_capnp(page, context.getResults().initPage()); });
  }

  kj::Promise<void> commit(CommitContext context) override {
    auto bridge = make_bridge<CommitResult>();
    auto commit = value_or_throw(from_capnp(context.getParams().getCommit(), account_));
    context.releaseParams();
    caf::anon_send(session_, SessionCommit{std::move(commit), std::move(bridge.reply)});
    return bridge.promise.then([context](CommitResult result) mutable {
      auto out = context.getResults();
      auto results = out.initResults(result.results.size());
      for (std::size_t i = 0; i < result.results.size(); ++i) to_capnp(result.results[i], results[i]);
      out.setCursor(result.cursor.value);
    });
  }

  kj::Promise<void> missingBlocks(MissingBlocksContext context) override {
    auto ids = value_or_throw(block_ids_from_capnp(context.getParams().getIds()));
    return query<cluster::Missing>(cluster::FindMissing{account_, std::move(ids)})
        .then([context](cluster::Missing missing) mutable {
          auto out = context.getResults().initMissing(missing.indexes.size());
          for (std::size_t i = 0; i < missing.indexes.size(); ++i) out.set(i, missing.indexes[i]);
        });
  }

  kj::Promise<void> putBlock(PutBlockContext context) override {
    const auto params = context.getParams();
    const auto raw = params.getId();
    const auto id = BlockId::from_bytes({reinterpret_cast<const char*>(raw.begin()), raw.size()});
    if (!id) throw_error({Errc::invalid_argument, "id: a block id has 32 bytes, not " + std::to_string(raw.size())});
    const auto bytes = params.getBytes();
    if (bytes.size() == 0 || bytes.size() > limits::max_block_bytes)
      throw_error({Errc::too_large, "bytes: a block has 1 to " + std::to_string(limits::max_block_bytes) +
                                        " bytes, not " + std::to_string(bytes.size())});
    const auto size = bytes.size();
    auto bridge = make_bridge<Receipt>();
    caf::anon_send(session_, SessionPutBlock{*id, Bytes(reinterpret_cast<const char*>(bytes.begin()), size),
                                             std::move(bridge.reply)});
    context.releaseParams();
    connection_->stream->add_block_bytes(size);
    return bridge.promise
        .then([context](Receipt receipt) mutable { to_capnp(receipt, context.getResults().initReceipt()); })
        .attach(kj::defer([connection = connection_, size] { connection->stream->remove_block_bytes(size); }));
  }

  kj::Promise<void> read(ReadContext context) override {
    context.allowCancellation();
    const auto params = context.getParams();
    if (params.getBytes() > limits::max_read_bytes)
      throw_error(
          {Errc::too_large, "bytes: at most " + std::to_string(limits::max_read_bytes) + " in one read; use download"});
    const auto offset = params.getOffset();
    const std::uint64_t count = params.getBytes();
    auto wanted = content_query(params.getEntry(), params.getVersion());
    return connection_->stream->answers().take(count).then(
        [this, context, offset, count, wanted = std::move(wanted)](kj::Own<AnswerMemory::Share> share) mutable {
          return read_range(context, offset, count, std::move(wanted)).attach(kj::mv(share));
        });
  }

  kj::Promise<void> read_range(ReadContext context, std::uint64_t offset, std::uint64_t count,
                               cluster::GetContent wanted) {
    return query<cluster::ContentFound>(std::move(wanted))
        .then([this, context, offset, count](cluster::ContentFound found) mutable {
          const auto size = found.content.size;
          const auto version = found.version.value;
          auto gathered = kj::heap<Bytes>();
          auto& bytes = *gathered;
          return send_range(session_, std::move(found.content), offset, count,
                            [&bytes](BytesView piece) -> kj::Promise<void> {
                              bytes.append(piece);
                              return kj::READY_NOW;
                            })
              .then([context, size, version, gathered = kj::mv(gathered)]() mutable {
                auto out = context.getResults(capnp::MessageSize{gathered->size() / sizeof(capnp::word) + 16, 0});
                out.setBytes({reinterpret_cast<const kj::byte*>(gathered->data()), gathered->size()});
                out.setSize(size);
                out.setVersion(version);
              });
        });
  }

  kj::Promise<void> download(DownloadContext context) override {
    context.allowCancellation();
    const auto params = context.getParams();
    const auto offset = params.getOffset();
    const auto count = params.getBytes() ? params.getBytes() : limits::max_file_bytes;
    return query<cluster::ContentFound>(content_query(params.getEntry(), params.getVersion()))
        .then([this, context, offset, count, sink = params.getSink()](cluster::ContentFound found) mutable {
          const auto ahead = std::min({count, found.content.size, std::uint64_t{limits::download_window_bytes}});
          return connection_->stream->downloads().take(ahead).then(
              [this, context, offset, count, sink,
               found = std::move(found)](kj::Own<AnswerMemory::Share> share) mutable {
                return send_to(kj::mv(sink), context, offset, count, std::move(found)).attach(kj::mv(share));
              });
        });
  }

  kj::Promise<void> send_to(rpc::ByteSink::Client sink, DownloadContext context, std::uint64_t offset,
                            std::uint64_t count, cluster::ContentFound found) {
    auto out = context.getResults();
    out.setSize(found.content.size);
    out.setVersion(found.version.value);
    return send_range(
               session_, std::move(found.content), offset, count,
               [this, sink](BytesView piece) mutable {
                 auto request = sink.writeRequest(capnp::MessageSize{piece.size() / sizeof(capnp::word) + 16, 0});
                 request.setBytes({reinterpret_cast<const kj::byte*>(piece.data()), piece.size()});
                 return in_time(piece.size(), request.send());
               })
        .then([this, sink]() mutable { return in_time(0, sink.endRequest().send().ignoreResult()); });
  }

  kj::Promise<void> manifest(ManifestContext context) override {
    const auto params = context.getParams();
    return large_query<cluster::ContentFound>(context, manifest_bytes,
                                              content_query(params.getEntry(), params.getVersion()))
        .then([context](cluster::ContentFound found) mutable {
          auto out = context.getResults();
          to_capnp(found.content, out.initContent());
          out.setVersion(found.version.value);
        });
  }

  kj::Promise<void> versions(VersionsContext context) override {
    const auto params = context.getParams();
    return large_query<cluster::Versions>(
               context, page_bytes,
               cluster::ListVersions{account_, value_or_throw(from_capnp(params.getEntry())),
                                     VersionNumber{params.getBefore()}, params.getLimit()})
        .then([context](cluster::Versions found) mutable {
          auto out = context.getResults().initVersions(found.versions.size());
          for (std::size_t i = 0; i < found.versions.size(); ++i) to_capnp(found.versions[i], out[i]);
        });
  }

  kj::Promise<void> trash(TrashContext context) override {
    const auto params = context.getParams();
    return large_query<EntryPage>(context, page_bytes,
                                  cluster::ListTrash{account_, text(params.getAfter()), params.getLimit()})
        .then([context](EntryPage page) mutable { to_capnp(page, context.getResults().initPage()); });
  }

  kj::Promise<void> changes(ChangesContext context) override {
    const auto params = context.getParams();
    return large_query<ChangePage>(context, page_bytes,
                                   cluster::ReadChanges{account_, Cursor{params.getCursor()}, params.getLimit()})
        .then([context](ChangePage page) mutable { to_capnp(page, context.getResults().initPage()); });
  }

  kj::Promise<void> watch(WatchContext context) override {
    const auto params = context.getParams();
    return start_watch(held_, Cursor{params.getCursor()}, params.getWatcher())
        .then([context](rpc::Watch::Client watch) mutable { context.getResults().setWatch(kj::mv(watch)); });
  }

  kj::Promise<void> usage(UsageContext context) override {
    return query<Usage>(cluster::GetUsage{account_}).then([context](Usage usage) mutable {
      to_capnp(usage, context.getResults().initUsage());
    });
  }

 private:
  template <class Wanted>
  kj::Promise<Wanted> query(cluster::Query query) {
    auto bridge = make_bridge<cluster::QueryResult>();
    caf::anon_send(session_, SessionQuery{std::move(query), std::move(bridge.reply)});
    return bridge.promise.then([](cluster::QueryResult result) -> Wanted {
      if (auto* wanted = std::get_if<Wanted>(&result)) return std::move(*wanted);
      if (const auto* error = std::get_if<Error>(&result)) throw_error(*error);
      throw_error({Errc::internal, "a shard answered something else than was asked"});
    });
  }

  // A query whose answer may be large waits for memory, and ends with its caller.
  template <class Wanted, class Context>
  kj::Promise<Wanted> large_query(Context& context, std::size_t bytes, cluster::Query asked) {
    context.allowCancellation();
    return connection_->stream->answers().take(bytes).then(
        [this, asked = std::move(asked)](kj::Own<AnswerMemory::Share> share) mutable {
          return query<Wanted>(std::move(asked)).attach(kj::mv(share));
        });
  }

  cluster::GetContent content_query(rpc::EntryRef::Reader entry, std::uint32_t version) {
    return {account_, value_or_throw(from_capnp(entry)), VersionNumber{version}};
  }

  // A sink that takes too long ends its download.
  kj::Promise<void> in_time(std::size_t bytes, kj::Promise<void> answered) {
    const auto& context = connection_->context;
    const auto bound = context.callback_timeout * (1 + bytes / limits::min_progress_bytes);
    return context.timer->timeoutAfter(bound.count() * kj::MILLISECONDS, kj::mv(answered))
        .catch_([](kj::Exception&& thrown) {
          clamp_type(thrown);
          if (thrown.getType() == kj::Exception::Type::OVERLOADED)
            throw_error({Errc::timed_out, "sink: a piece was not taken in time"});
          kj::throwFatalException(kj::mv(thrown));
        });
  }

  std::shared_ptr<HeldSession> held_;
  std::shared_ptr<Connection> connection_;
  SessionActor session_;
  AccountId account_;
};

}  // namespace

rpc::Drive::Client make_drive(std::shared_ptr<HeldSession> session) {
  return kj::heap<DriveService>(std::move(session));
}

}  // namespace cairn::actors
