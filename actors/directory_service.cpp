#include "actors/directory_service.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <deque>
#include <random>
#include <set>

#include "actors/errors.hpp"
#include "actors/log.hpp"
#include "cluster/control.hpp"
#include "cluster/duties.hpp"
#include "cluster/founding.hpp"
#include "cluster/rate_limit.hpp"
#include "cluster/reconcile.hpp"

namespace cairn::actors {
namespace {

using cluster::directory::ControlFrame;
using cluster::directory::directory_shard;
using cluster::directory::DirectoryState;
using cluster::directory::Duty;
using cluster::directory::FoundingCommand;
using cluster::directory::FoundingPlan;
using cluster::directory::FoundingWaits;
using cluster::directory::Observed;
using cluster::directory::Order;
using cluster::directory::RecordEvent;
using cluster::directory::StateChanges;

constexpr Target directory_target{directory_shard.value, whole_shard};

FoundingPlan plan_of(const cluster::Config& config) {
  FoundingPlan plan;
  for (const auto& founder : cluster::founders_by_name(config)) plan.founders.push_back(founder.name);
  // A node that is told of no others is a cluster of its own.
  if (config.cluster.founders.empty() && config.cluster.join.empty())
    if (const auto self = cluster::directory::NodeName::parse(config.node.name)) plan.founders.push_back(*self);
  plan.shards = config.cluster.shards;
  plan.replicas = config.cluster.replicas;
  std::random_device random;
  plan.cluster = cluster::directory::ClusterId{std::uint64_t{random()} << 32 | random() | 1};
  return plan;
}

/// A round looks at the directory, then founds, then writes down what was heard, then reconciles. After each of
/// these it looks again if it has changed anything. There is one round at a time, and nothing of a round outlives
/// the office in which it began.
class DirectoryService {
 public:
  DirectoryService(DirectoryActor::pointer self, const cluster::Config& config, std::shared_ptr<Routes> routes,
                   std::shared_ptr<NodeNetwork> peers, DirectoryPace pace)
      : self_(self),
        name_(config.node.name),
        plan_(plan_of(config)),
        routes_(std::move(routes)),
        peers_(std::move(peers)),
        pace_(std::move(pace)) {
    ask_for_role();
  }

  void replica_changed(const ReplicaChanged& message) {
    if (message.shard != directory_shard) return;
    const bool leads = message.role == cluster::Role::leader;
    if (leading_ && (!leads || message.term != term_)) resign("its replica of the directory does not lead any more");
    if (!leading_ && leads && message.settled) take_office(message);
  }

  void report_received(const ReportReceived& message) {
    if (!leading_) return;
    if (message.report.node.text() != message.from)
      return log_warning("a report of {} that comes from {} is dropped", message.report.node.text(), message.from);
    const auto report = credible(message.report, state_);
    const bool news = brings_news(report, observed_);
    observe(observed_, report, pace_.clock());
    if (news) begin_round();
  }

  void note_received(NoteReceived message) {
    if (!leading_ || notes_.size() >= limits::max_notes_waiting) return;
    const bool waits = std::ranges::any_of(notes_, [&](const NoteReceived& other) {
      return other.from == message.from && other.note.number == message.note.number;
    });
    if (waits) return;
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(pace_.clock());
    if (notes_allowed_.take(message.from, now)) return notes_.push_back(std::move(message));
    log_debug("{} notes too much: {}", message.from, message.note.what);
    answer(message);
  }

  void timer(std::uint64_t office) {
    if (!leading_ || office != office_) return;
    set_timer();
    notice_standstill();
    begin_round();
  }

  void status(const Reply<DirectoryStatus>& reply) const {
    DirectoryStatus status;
    status.leads = leading_;
    status.now = pace_.clock();
    if (leading_) {
      status.waits = waits_;
      status.state = state_;
      status.observed = observed_;
      status.looks = looks_;
      status.decisions = decisions_;
    }
    reply(std::move(status));
  }

 private:
  using Step = void (DirectoryService::*)();

  // The office.

  /// After a restart: what the replica said before is not said again.
  void ask_for_role() {
    const auto replica = routes_->replica(directory_shard);
    if (!replica) return;
    const DirectoryActor me{self_};
    self_->send(replica, GetReplica{Reply<ReplicaStatus>([me](const Result<ReplicaStatus>& status) {
                  if (!status || status->report.role != cluster::Role::leader) return;
                  const auto& report = status->report;
                  caf::anon_send(me, ReplicaChanged{report.shard, report.replica, report.role, report.term,
                                                    status->leader, report.settled, status->applied});
                })});
  }

  void take_office(const ReplicaChanged& message) {
    log_info("this node leads the directory in term {}", message.term);
    leading_ = true;
    term_ = message.term;
    ++office_;
    looks_ = 0;
    ticked_ = observed_.leading_since = pace_.clock();
    set_timer();
    begin_round();
  }

  void resign(const char* why) {
    log_info("this node leads the directory no longer: {}", why);
    leading_ = false;
    founded_ = false;
    in_round_ = false;
    again_ = false;
    ++office_;
    state_ = {};
    observed_ = {};
    waits_.clear();
    decided_.clear();
    decisions_.clear();
    duties_.clear();
    notes_.clear();
  }

  /// Who was stopped itself has heard nobody meanwhile, and judges nobody until it could have.
  void notice_standstill() {
    const auto now = pace_.clock();
    const auto dead_after = cluster::directory::reconcile_settings(state_.settings).dead_after;
    if (now - ticked_ > pace_.interval + dead_after / 2) {
      log_warning("this node stood still for {} ms; it takes its time again before it calls others dead",
                  std::chrono::duration_cast<std::chrono::milliseconds>(now - ticked_).count());
      observed_.leading_since = now;
    }
    ticked_ = now;
  }

  void set_timer() {
    self_->delayed_send(DirectoryActor{self_}, founded_ ? pace_.interval : pace_.founding_interval,
                        TimerFired{office_});
  }

  // The round.

  void begin_round() {
    again_ = in_round_;
    if (in_round_) return;
    in_round_ = true;
    ++looks_;
    look(&DirectoryService::found);
  }

  void end_round() {
    in_round_ = false;
    duties_.clear();
    if (again_) begin_round();
  }

  /// Brings state_ up to date, then goes on with `next`.
  void look(Step next) {
    Ask ask{directory_target, encode(cluster::directory::Query(cluster::directory::GetState{state_.epoch})), true, 0};
    request(std::move(ask), [this, next](const Answer& answer) {
      auto result = cluster::directory::decode_query_result(answer.result);
      if (!result) return stop_round(result.error());
      if (const auto* error = std::get_if<Error>(&*result)) return stop_round(*error);
      auto* changes = std::get_if<StateChanges>(&*result);
      if (!changes) return stop_round({Errc::internal, "the directory answered something else than was asked"});
      merge(state_, std::move(*changes));
      (this->*next)();
    });
  }

  void found() {
    if (founded_) return write_down();
    const auto step = next_founding_step(state_, plan_);
    if (const auto* command = std::get_if<FoundingCommand>(&step)) {
      duties_.push_back(duty_of(*command));
      log_info("{}: {}", duties_.back().what, duties_.back().why);
      return work(&DirectoryService::found);
    }
    const auto* waits = std::get_if<FoundingWaits>(&step);
    founded_ = !waits;
    const auto sentence = waits ? waits->why : std::string();
    if (!sentence.empty() && sentence != waits_) log_info("founding the cluster waits: {}", sentence);
    waits_ = sentence;
    if (state_.shards.empty()) return end_round();
    write_down();
  }

  void write_down() {
    for (auto& duty : news_of_leaders(state_, observed_)) duties_.push_back(std::move(duty));
    if (duties_.empty()) return write_note();
    work(&DirectoryService::write_note);
  }

  void write_note() {
    if (notes_.empty()) return decide();
    const auto& note = notes_.front().note;
    duties_.push_back({note.what, note.why, RecordEvent{note.what, note.why}, {}});
    work(&DirectoryService::note_written);
  }

  void note_written() {
    answer(notes_.front());
    notes_.pop_front();
    write_note();
  }

  void answer(const NoteReceived& message) {
    auto frame = encode(ControlFrame(cluster::directory::NoteAnswer{message.note.number}));
    if (message.from != name_) {
      (void)peers_->send(message.from, Channel::control, std::move(frame));  // the note comes again
    } else if (const auto agent = routes_->agent()) {
      self_->send(agent, ControlReceived{name_, std::move(frame)});
    }
  }

  void decide() {
    notice_standstill();  // also when it was in the middle of a round
    const auto now = pace_.clock();
    const auto decisions = reconcile(state_, observed_, now, cluster::directory::reconcile_settings(state_.settings));
    remember(observed_, state_, decisions, now);
    std::set<std::string> decided;
    decisions_.clear();
    for (const auto& decision : decisions) {
      const auto named = duty_of(decision, state_, observed_, true).what;
      const bool repeated = decided_.contains(named);
      decided.insert(named);
      decisions_.push_back(named + ": " + decision.why);
      // What is decided again and again until it is done is told once.
      if (repeated)
        log_debug("again: {}: {}", named, decision.why);
      else
        log_info("{}: {}", named, decision.why);
      duties_.push_back(duty_of(decision, state_, observed_, repeated));
    }
    decided_ = std::move(decided);
    work(nullptr);
  }

  /// Does the duties one after another; then looks again and goes on with `next`, or ends the round.
  void work(Step next) {
    while (!duties_.empty()) {
      auto duty = std::move(duties_.front());
      duties_.pop_front();
      if (duty.command) return propose(std::move(duty), next);
      give(duty.order);
    }
    if (!next) return end_round();
    look(next);
  }

  void propose(Duty duty, Step next) {
    Propose command{directory_target, encode(cluster::directory::Command{now(), *duty.command})};
    request(std::move(command), [this, next, duty = std::move(duty)](const Answer& answer) {
      const auto result = cluster::directory::decode_command_result(answer.result);
      if (!result) return stop_round(result.error());
      if (const auto* refused = std::get_if<Error>(&*result)) {
        log_info("refused: {}: {}", duty.what, refused->message);
        // Founding would only be refused again at once.
        if (next == &DirectoryService::found) return end_round();
      } else {
        give(duty.order);
      }
      work(next);
    });
  }

  /// To the node of the shard's leader. What is lost is decided again.
  void give(const std::optional<Order>& order) {
    if (!order) return;
    const auto node = leaders_node(order->shard, state_, observed_);
    if (node.empty()) return;
    if (node.text() != name_) {
      const auto sent = peers_->send(node.text(), Channel::control, encode(ControlFrame(*order)));
      if (!sent) log_warning("an order for node {} is not sent: {}", node.text(), sent.error().message);
      return;
    }
    const auto replica = routes_->replica(order->shard);
    if (!replica) return;
    self_->send(replica, ChangeGroup{order->change, order->replica, Reply<bool>([order](const Result<bool>& done) {
                                       if (!done)
                                         log_info("an order for shard {} is not carried out: {}", order->shard.value,
                                                  done.error().message);
                                     })});
  }

  /// Asks the replica of the directory on this node; `then` only hears what was served while the office lasts.
  template <class Request, class Then>
  void request(Request request, Then then) {
    const auto replica = routes_->replica(directory_shard);
    if (!replica) return stop_round({Errc::unavailable, "its replica has stopped"});
    self_->request(replica, limits::directory_answer_timeout, std::move(request))
        .then(
            [this, office = office_, then = std::move(then)](const Answer& answer) {
              if (office != office_) return;
              // Who hands on its office in vain leads on: the end of the office is heard from the replica.
              if (answer.served != Served::done) return stop_round({Errc::unavailable, "its replica cannot answer"});
              then(answer);
            },
            [this, office = office_](const caf::error& error) {
              if (office == office_) stop_round(from_caf(error));
            });
  }

  /// The next round begins from what is then.
  void stop_round(const Error& why) {
    log_warning("the directory is not reconciled now: {}", why.message);
    again_ = false;
    end_round();
  }

  DirectoryActor::pointer self_;
  std::string name_;
  FoundingPlan plan_;
  std::shared_ptr<Routes> routes_;
  std::shared_ptr<NodeNetwork> peers_;
  DirectoryPace pace_;
  cluster::RateLimit notes_allowed_{limits::max_notes_at_once, limits::note_interval, limits::max_nodes};

  // Of the office, which has a number of its own.
  bool leading_ = false;
  std::uint64_t office_ = 0;
  std::uint64_t term_ = 0;
  cluster::Instant ticked_{0};
  std::uint64_t looks_ = 0;
  bool founded_ = false;
  DirectoryState state_;
  Observed observed_;
  std::string waits_;
  std::set<std::string> decided_;       // in the last round
  std::vector<std::string> decisions_;  // the same with reasons
  std::deque<NoteReceived> notes_;      // to be written down

  // Of the round.
  bool in_round_ = false;
  bool again_ = false;
  std::deque<Duty> duties_;
};

}  // namespace

DirectoryActor::behavior_type directory_service(DirectoryActor::pointer self, cluster::Config config,
                                                std::shared_ptr<Routes> routes, std::shared_ptr<NodeNetwork> peers,
                                                DirectoryPace pace) {
  auto state = std::make_shared<DirectoryService>(self, config, std::move(routes), std::move(peers), std::move(pace));
  return {
      [state](const ReplicaChanged& message) { state->replica_changed(message); },
      [state](const ReportReceived& message) { state->report_received(message); },
      [state](NoteReceived& message) { state->note_received(std::move(message)); },
      [state](const GetDirectory& message) { state->status(message.reply); },
      [state](const TimerFired& message) { state->timer(message.generation); },
  };
}

}  // namespace cairn::actors
