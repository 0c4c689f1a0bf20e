#include "client/sync_round.hpp"

#include <ctime>

#include "client/sync_moves.hpp"
#include "protocol/names.hpp"

namespace cairn::client {
namespace {

std::string last_of(const SyncPath& path) { return path.substr(path.rfind('/') + 1); }

SyncPath joined(const SyncPath& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

std::string today() {
  const auto now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  char text[16];
  std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return text;
}

}  // namespace

SyncRound::SyncRound(Sync::Parts& parts, const LocalScan& scan, SyncReport& report)
    : parts_(parts),
      scan_(scan),
      report_(report),
      state_(parts.options.transfer),
      fetcher_(parts.drive, parts.root,
               {state_.threads(), parts.options.transfer.window_bytes, parts.options.transfer.bounds}),
      sender_(parts.drive, parts.root,
              {state_.threads(), parts.options.transfer.window_bytes, parts.options.transfer.bounds}) {}

Result<void> SyncRound::carry_out(const SyncPlan& plan) {
  std::atomic<bool> finished = false;
  std::thread stepping([&] {
    step_through(plan);
    finished = true;
    state_.wake();
  });
  state_.wait([&] {
    if (parts_.cancelled()) state_.stop(Error{Errc::cancelled, "the sync was stopped"});
    if (state_.stopped()) {
      sender_.stop();
      fetcher_.stop();
    }
    state_.bytes_moved = sender_.bytes_sent() + fetcher_.bytes_received();
    return finished.load();
  });
  stepping.join();
  report_.bytes_sent += sender_.bytes_sent();
  report_.bytes_received += fetcher_.bytes_received();
  const auto outcome = state_.take();
  if (!outcome.ok()) return outcome.error();
  return {};
}

void SyncRound::step_through(const SyncPlan& plan) {
  bool removing = false;
  for (const auto& action : plan.actions) {
    const bool removes = std::holds_alternative<RemoveLocal>(action) || std::holds_alternative<RemoveRemote>(action);
    if (removes && !removing) {
      wait_for_all();
      removing = true;
    }
    if (state_.stopped()) break;
    if (parts_.options.action) parts_.options.action(describe(action));
    std::visit(*this, action);
  }
  state_.walked();
  wait_for_all();
  finish_folders();
}

void SyncRound::wait_for_all() {
  fetcher_.wait();
  sender_.wait();
}

EntryRef SyncRound::folder_of(const SyncPath& path) const { return {parts_.top, parent_of(path)}; }

void SyncRound::on_state(const std::function<Result<void>(SyncState&)>& work) {
  const std::lock_guard lock(mutex_);
  if (const auto outcome = work(*parts_.state); !outcome.ok()) state_.stop(outcome.error());
}

void SyncRound::note(const SyncPath& path, const LocalNode& local, const RemoteNode& remote) {
  on_state([&](SyncState& state) { return state.put_base(path, {local, remote}); });
}

void SyncRound::note_same(const SyncPath& path, const RemoteNode& remote) {
  const auto found = parts_.root.stat(raw(path));
  if (!found.ok()) {
    again_ = true;
    return;
  }
  note(path, local_node(*found), remote);
}

void SyncRound::failed(const SyncPath& path, const Error& error) {
  if (ends_transfer(error.code)) return state_.stop(error);
  report([&](SyncReport& out) { out.failed.push_back({path, error.code, error.message}); });
}

void SyncRound::change(Change change, std::function<void(const Answer&)> done) {
  Committer::Item item;
  item.change = [change = std::move(change)] { return change; };
  item.done = std::move(done);
  sender_.committer().add(std::move(item));
}

void SyncRound::operator()(const MoveRemote& action) {
  change(Move{{action.entry, ""}, folder_of(action.to), last_of(action.to)}, [this, action](const Answer& outcome) {
    if (!outcome.ok()) {
      moves_failed_ = again_ = true;
      if (ends_transfer(outcome.error().code)) state_.stop(outcome.error());
      return;
    }
    on_state([&](SyncState& state) {
      return state.together([&] { return state.move_base(action.base, action.to); });
    });
    report([](SyncReport& out) { ++out.moved; });
  });
}

void SyncRound::operator()(const MoveLocal& action) {
  const auto moved = parts_.root.rename_new(raw(action.from), joined(raw(parent_of(action.to)), last_of(action.to)));
  if (!moved.ok()) {
    moves_failed_ = again_ = true;
    return;
  }
  on_state([&](SyncState& state) {
    return state.together([&] { return state.move_base(action.base, action.to); });
  });
  report([](SyncReport& out) { ++out.moved; });
}

void SyncRound::operator()(const MoveBase& action) {
  on_state([&](SyncState& state) {
    return state.together([&] { return state.move_base(action.from, action.to); });
  });
}

void SyncRound::operator()(const MakeRemoteFolder& action) {
  change(MakeFolder{folder_of(action.path), last_of(action.path), action.from.attributes},
         [this, action](const Answer& outcome) {
           if (!outcome.ok()) {
             again_ = true;  // made by somebody meanwhile: the next round takes it as it is
             if (outcome.error().code != Errc::already_exists) failed(action.path, outcome.error());
             return;
           }
           note(action.path, action.from,
                {outcome->entry, EntryKind::folder, {}, 0, action.from.attributes});
           report([](SyncReport& out) { ++out.folders_made; });
         });
}

void SyncRound::operator()(const MakeLocalFolder& action) {
  const auto made = parts_.root.make_folder(joined(raw(parent_of(action.path)), last_of(action.path)));
  if (!made.ok()) return failed(action.path, made.error());
  folders_.emplace_back(action.path, action.from);
  report([](SyncReport& out) { ++out.folders_made; });
}

void SyncRound::operator()(const Upload& action) {
  SendRequest request;
  request.path = raw(action.path);
  request.kind = action.kind;
  request.folder = [folder = folder_of(action.path)] { return folder; };
  request.name = last_of(action.path);
  request.base = action.over;
  const auto size = scan_.tree.at(action.path).size;
  state_.found(size);
  sender_.send(std::move(request), [this, action, size](const Result<Sent>& outcome) {
    state_.done(size);
    uploaded(action, outcome);
  });
}

void SyncRound::uploaded(const Upload& action, const Result<Sent>& outcome) {
  if (!outcome.ok()) {
    const auto code = outcome.error().code;
    if (code == Errc::not_found) again_ = true;  // it, or its folder, went meanwhile
    else if (code == Errc::conflict)
      report([&](SyncReport& out) { out.skipped.push_back({action.path, code, outcome.error().message}); });
    else failed(action.path, outcome.error());
    return;
  }
  const auto& result = outcome->result;
  const RemoteNode remote{result.entry, action.kind, result.version,
                          static_cast<std::uint64_t>(outcome->found.st_size), attributes_of(outcome->found)};
  if (result.outcome != Outcome::conflicted) {
    note(action.path, local_node(outcome->found), remote);
    if (result.outcome != Outcome::unchanged) report([](SyncReport& out) { ++out.uploaded; });
    return;
  }
  // The drive kept both under names of its own choice: the local one follows.
  again_ = true;
  const auto beside = joined(parent_of(action.path), result.name);
  if (!parts_.root.rename_new(raw(action.path), joined(raw(parent_of(action.path)), result.name)).ok()) return;
  on_state([&](SyncState& state) { return state.remove_base(action.path); });
  note(beside, local_node(outcome->found), remote);
  report([&](SyncReport& out) {
    ++out.uploaded;
    out.conflicts.push_back({action.path, Errc::conflict, result.name});
  });
}

FetchRequest SyncRound::request_for(const SyncPath& path, const RemoteNode& from) const {
  FetchRequest request;
  request.path = joined(raw(parent_of(path)), last_of(path));
  if (scan_.tree.contains(path)) request.path = raw(path);
  request.entry = {from.entry, ""};
  request.version = from.version;
  request.kind = from.kind;
  request.size = from.size;
  request.attributes = from.attributes;
  return request;
}

void SyncRound::operator()(const Download& action) {
  auto request = request_for(action.path, action.from);
  if (action.replaces) {
    request.existing = Existing::replace;
    request.may_go = [expected = *action.replaces](const struct stat& old) { return local_node(old) == expected; };
    request.keep_as = [this, path = action.path] { return name_beside(path); };
  }
  state_.found(action.from.size);
  fetcher_.fetch(std::move(request), [this, action](const Result<Fetched>& outcome) {
    state_.done(action.from.size);
    downloaded(action, outcome);
  });
}

void SyncRound::downloaded(const Download& action, const Result<Fetched>& outcome) {
  if (!outcome.ok()) {
    const auto code = outcome.error().code;
    // Something came under the name, or the version went, since the plan was made.
    if (code == Errc::already_exists || code == Errc::not_found || code == Errc::trashed) again_ = true;
    if (code != Errc::trashed) failed(action.path, outcome.error());
    return;
  }
  note(action.path, local_node(outcome->found), action.from);
  report([&](SyncReport& out) {
    out.downloaded += outcome->written;
    out.bytes_reused += outcome->bytes_reused;
    if (!outcome->kept_as.empty()) out.conflicts.push_back({action.path, Errc::conflict, outcome->kept_as});
  });
  if (!outcome->kept_as.empty()) again_ = true;
}

void SyncRound::operator()(const Adopt& action) {
  if (action.from.kind == EntryKind::folder) {
    folders_.emplace_back(action.path, action.from);
    return;
  }
  auto request = request_for(action.path, action.from);
  request.existing = Existing::if_equal;
  fetcher_.fetch(std::move(request), [this, action](const Result<Fetched>& outcome) { adopted(action, outcome); });
}

void SyncRound::adopted(const Adopt& action, const Result<Fetched>& outcome) {
  if (outcome.ok()) {
    note(action.path, local_node(outcome->found), action.from);
  } else if (outcome.error().code == Errc::already_exists) {
    keep_beside(action.path);
  } else {
    failed(action.path, outcome.error());
  }
}

std::string SyncRound::name_beside(const SyncPath& path) const {
  const auto folder = parent_of(path);
  return conflict_name(last_of(path), parts_.options.device, today(), [&](const std::string& name) {
    const auto found = parts_.root.stat(joined(raw(folder), name));
    return found.ok() || found.error().code != Errc::not_found;
  });
}

void SyncRound::keep_beside(const SyncPath& path) {
  again_ = true;
  const auto name = name_beside(path);
  const auto renamed = parts_.root.rename_new(raw(path), joined(raw(parent_of(path)), name));
  if (!renamed.ok()) return failed(path, renamed.error());
  // Without a base, what the drive has under the name is new here, and comes.
  on_state([&](SyncState& state) { return state.remove_base(path); });
  report([&](SyncReport& out) { out.conflicts.push_back({path, Errc::conflict, name}); });
}

void SyncRound::operator()(const RenameConflicting& action) { keep_beside(action.path); }

void SyncRound::operator()(const SetRemoteAttributes& action) {
  change(SetAttributes{{action.from.entry, ""}, action.to}, [this, action](const Answer& outcome) {
    if (!outcome.ok()) return failed(action.path, outcome.error());
    auto remote = action.from;
    remote.attributes = action.to;
    if (outcome->version.value != 0) remote.version = outcome->version;
    note(action.path, scan_.tree.at(action.path), remote);
  });
}

void SyncRound::operator()(const SetLocalAttributes& action) {
  if (action.from.kind == EntryKind::folder) {
    folders_.emplace_back(action.path, action.from);
    return;
  }
  const auto set = parts_.root.set_attributes(raw(action.path), action.from.kind, action.from.attributes);
  if (!set.ok()) return failed(action.path, set.error());
  note_same(action.path, action.from);
}

/// Folders get theirs when nothing more is written into them, the inner ones first.
void SyncRound::finish_folders() {
  for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
    const auto& [path, from] = *folder;
    const auto place = scan_.tree.contains(path) ? raw(path) : joined(raw(parent_of(path)), last_of(path));
    const auto set = parts_.root.set_attributes(place, EntryKind::folder, from.attributes);
    if (!set.ok()) failed(path, set.error());
    else note_same(path, from);
  }
}

void SyncRound::operator()(const RemoveRemote& action) {
  change(Remove{{action.entry, ""}, action.version}, [this, action](const Answer& outcome) {
    const auto code = outcome.ok() ? Errc::not_found : outcome.error().code;
    if (code == Errc::conflict) {
      again_ = true;  // it was changed meanwhile, and stays
    } else if (code == Errc::not_found || code == Errc::trashed) {
      on_state([&](SyncState& state) { return state.remove_base(action.path); });
      report([&](SyncReport& out) { out.removed += outcome.ok(); });
    } else {
      failed(action.path, outcome.error());
    }
  });
}

void SyncRound::operator()(const RemoveLocal& action) {
  const bool folder = action.expected.kind == EntryKind::folder;
  const auto path = raw(action.path);
  const auto found = parts_.root.stat(path);
  if (found.ok() && (folder ? !S_ISDIR(found->st_mode) : local_node(*found) != action.expected)) {
    again_ = true;  // it was changed meanwhile, and stays
    return;
  }
  if (found.ok()) {
    const auto removed = parts_.root.remove(path, folder);
    if (!removed.ok()) return failed(action.path, removed.error());
    report([](SyncReport& out) { ++out.removed; });
  }
  on_state([&](SyncState& state) { return state.remove_base(action.path); });
}

void SyncRound::operator()(const Forget& action) {
  on_state([&](SyncState& state) { return state.remove_base(action.path); });
}

}  // namespace cairn::client
