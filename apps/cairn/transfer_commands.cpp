// The commands that carry content: put, get, cat and sync.
#include <atomic>
#include <vector>

#include "apps/cairn/commands.hpp"
#include "apps/cairn/paths.hpp"
#include "apps/cairn/report.hpp"
#include "apps/cairn/signed_in.hpp"

namespace cairn::apps {
namespace {

/// How transfers of this command are done. `cancel` outlives them.
client::TransferOptions transfer_options(Context& context, const std::atomic<bool>& cancel) {
  client::TransferOptions options;
  options.cancel = &cancel;
  if (context.output.shows_progress())
    options.progress = [&output = context.output](const client::Progress& now) {
      output.progress(progress_words(now));
    };
  return options;
}

/// The sources and the target among `paths`: with only one, the target is `alone`.
struct Split {
  std::vector<std::string> sources;
  std::string target;
};
Result<Split> split_paths(const std::vector<std::string>& paths, const std::string& alone) {
  if (paths.size() == 1) return Split{paths, alone};
  Split split{{paths.begin(), paths.end() - 1}, paths.back()};
  if (split.sources.size() > 1 && !names_inside(split.target))
    return Error{Errc::invalid_argument,
                 split.target + ": several sources need a folder as target: write it with a / behind"};
  return split;
}

/// Runs `transfer` (source, target) for each source; the exit code of the first that was not whole.
template <class Transfer>
int transfer_each(Context& context, const Split& split, const std::string& verb, Transfer transfer) {
  int code = exit_ok;
  for (const auto& source : split.sources) {
    const auto target = target_for(source, split.target);
    const Result<client::Report> report = target ? transfer(source, *target) : Result<client::Report>(target.error());
    context.output.progress("");
    const int one =
        report ? show_report(context, *report, verb, source, *target) : failed(context, report.error(), source);
    if (code == exit_ok) code = one;
    if (!report && (one == exit_unreachable || one == exit_interrupted || one == exit_no_room)) break;
  }
  return code;
}

}  // namespace

int run(const Put& command, Context& context) {
  const auto split = split_paths(command.paths, "/");
  if (!split) return failed(context, split.error());
  return with_session(context, [&](SignedIn& session) {
    std::atomic<bool> cancel = false;
    const Interrupts::Scope scope(context.interrupts, [&] { cancel = true; });
    auto options = transfer_options(context, cancel);
    options.checksum = command.checksum;
    options.make_parents = command.parents;
    return transfer_each(context, *split, "stored", [&](const std::string& from, const std::string& to) {
      return client::upload(*session.drive, from, clean_remote(to), options);
    });
  });
}

int run(const Get& command, Context& context) {
  const auto split = split_paths(command.paths, ".");
  if (!split) return failed(context, split.error());
  return with_session(context, [&](SignedIn& session) {
    std::atomic<bool> cancel = false;
    const Interrupts::Scope scope(context.interrupts, [&] { cancel = true; });
    auto options = transfer_options(context, cancel);
    options.replace = command.replace;
    options.checksum = command.checksum;
    return transfer_each(context, *split, "fetched", [&](const std::string& from, const std::string& to) {
      if (command.version)
        return client::download_version(*session.drive, remote_ref(from), VersionNumber{command.version}, to, options);
      return client::download(*session.drive, remote_ref(from), to, options);
    });
  });
}

int run(const Cat& command, Context& context) {
  return with_session(context, [&](SignedIn& session) {
    bool reader_left = false;
    const auto done = session.drive->download(remote_ref(command.path), VersionNumber{command.version}, command.offset,
                                              command.bytes, [&](BytesView bytes) -> Result<void> {
                                                if (context.output.raw(bytes)) return {};
                                                reader_left = true;
                                                return Error{Errc::cancelled, "standard output is closed"};
                                              });
    // finish() tells a closed pipe from a full disk.
    if (done || reader_left) return static_cast<int>(exit_ok);
    return failed(context, done.error(), command.path);
  });
}

int run(const Sync& command, Context& context) {
  return with_session(context, [&](SignedIn& session) {
    const auto account = session.connection->account();
    if (!account) return failed(context, account.error());
    std::atomic<bool> cancel = false;
    client::SyncOptions options;
    options.device = session.account.device;
    options.dry_run = command.dry_run;
    options.transfer = transfer_options(context, cancel);
    options.transfer.checksum = command.checksum;
    options.action = [&](const std::string& action) { context.output.remark(action); };
    auto sync = client::Sync::open(*session.drive, *account, command.local, clean_remote(command.remote), options);
    if (!sync) return failed(context, sync.error(), command.local);
    const Interrupts::Scope scope(context.interrupts, [&] {
      cancel = true;
      (*sync)->stop();
    });
    if (!command.watch || command.dry_run) {
      const auto report = (*sync)->run();
      return report ? show_report(context, *report) : failed(context, report.error(), command.local);
    }
    const auto ended = (*sync)->follow([&](const client::SyncReport& report) { show_report(context, report); });
    if (context.interrupts.seen()) return failed(context, {Errc::cancelled, "interrupted"});
    return ended ? static_cast<int>(exit_ok) : failed(context, ended.error(), command.local);
  });
}

}  // namespace cairn::apps
