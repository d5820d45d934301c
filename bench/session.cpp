// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/session.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

#include "bench/agreement.hpp"
#include "bench/device.hpp"
#include "bench/interrupt.hpp"
#include "bench/nccl_tests_format.hpp"
#include "bench/rank_differences.hpp"
#include "core/build.hpp"
#include "core/ended_points.hpp"
#include "core/exit_status.hpp"
#include "core/hash.hpp"
#include "runtime/device_health.hpp"
#include "runtime/device_info.hpp"
#include "runtime/device_load.hpp"
#include "runtime/every_rank.hpp"
#include "runtime/hosts.hpp"

namespace moecal::bench {
namespace {

// Of a repetition that is not to be measured (Session::Entry::done).
constexpr char kDone = 1;
constexpr char kGivenUp = 2;

std::string utc_now(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), format, &parts);
  return text.data();
}

// One rank's text on every rank, cut to 255 bytes.
std::string text_of_rank(ControlPlane& world, const std::string& text, int rank) {
  std::array<char, 256> buffer{};
  std::copy_n(text.begin(), std::min(text.size(), buffer.size() - 1), buffer.begin());
  world.broadcast(buffer, rank);
  return buffer.data();
}

PointMeasurer::Setup make_setup(const Session::Place& place, const Options& options,
                                Activity& activity) {
  PointMeasurer::Setup setup;
  setup.card = place.card;
  setup.machine = place.machine;
  setup.hosts = place.hosts;
  setup.sampler.activity = &activity;
  setup.sampler.stop.budget = options.min_time.value_or(default_budget(options.suite));
  setup.sampler.interrupted = interrupted;
  if (options.energy) setup.sampler.energy_loop = Seconds{1};
  setup.watch = make_device_watch(place.machine);
  if (place.machine.device >= 0)
    setup.sampler.shortest_sample = shortest_device_batch(options.suite);
  if constexpr (build::has_cuda)
    if (const int device = place.machine.device; device >= 0) {
      setup.warm_up_device = [device, seconds = options.clock_warm_up] {
        use_cuda_device(device);
        keep_device_busy(seconds);
      };
      setup.check_device = check_cuda_device;
    }
  setup.make_clock = [](const Implementation& implementation) {
    return make_clock(implementation);
  };
  return setup;
}

PointMeasurer::Setup with_agreement(PointMeasurer::Setup setup, ControlPlane& world,
                                    Seconds& agreeing) {
  setup.sampler.agreement = agreement_time(world);
  setup.sampler.agreeing = &agreeing;
  return setup;
}

}  // namespace

Session::Session(const Benchmarks& benchmarks, const Options& options, ControlPlane& world,
                 Activity& activity)
    : world_{world},
      activity_{activity},
      place_{find_place(options, world)},
      measurer_{world, with_agreement(make_setup(place_, options, activity), world, agreeing_)},
      progress_{std::cerr, world.rank() == 0 && isatty(STDERR_FILENO) == 1},
      keeps_results_{options.format == "nccl-tests"},
      keeps_failed_{options.keep_failed},
      plan_{options.plan} {
  agree_on_run(options);
  // Before the file is made: options that are refused leave none.
  auto points = points_of(benchmarks, options);
  on_every_rank(world_, [&] { open_file(options.out); });
  if (time_limit_) {
    const Seconds passed = std::chrono::steady_clock::now() - started_;
    measurer_.set_deadline(steady_host_time().now() + (*time_limit_ - passed).count());
  }
  keep_what_is_left(std::move(points), options.repetitions);
  progress_.start(entries_.size());
}

Session::Place Session::find_place(const Options& options, ControlPlane& world) {
  Place place;
  place.hosts = hosts_of_ranks(world);
  on_every_rank(world, [&] {
    place.machine = choose_machine(options.device, rank_on_host(place.hosts, world.rank()));
    place.card = card_of(place.machine, options.card);
    place.environment = make_environment(place.machine, place.card);
  });
  check_own_devices(world, place.hosts, place.machine.pci_bus_id);
  compare_ranks(world, place.environment);
  return place;
}

void Session::agree_on_run(const Options& options) {
  const auto own = options.run_id.empty() ? utc_now("run-%Y%m%dT%H%M%SZ") : options.run_id;
  run_id_ = text_of_rank(world_, own, 0);
  // Rank 0's, as its clock is what counts.
  const double limit = options.time_limit.value_or(Seconds{-1}).count();
  const double agreed = world_.max(world_.rank() == 0 ? limit : -1.0);
  if (agreed >= 0) time_limit_ = Seconds{agreed};
  order_seed_ = options.order_seed.value_or(std::stoull(sha256(run_id_).substr(0, 8), nullptr, 16));
}

void Session::open_file(const std::string& path) {
  if (path.empty() || world_.rank() != 0) return;
  file_ = std::make_unique<RunFile>(path, run_id_);
  file_->write_environment(place_.environment);
}

std::vector<PlannedPoint> Session::points_of(const Benchmarks& benchmarks, const Options& options) {
  std::vector<PlannedPoint> points;
  for (const auto& benchmark : benchmarks) benchmark->meet(world_);
  on_every_rank(world_,
                [&] { points = make_plan(benchmarks, options, place_.machine, world_.size()); });
  points = spread_out(std::move(points), order_seed_);
  agree_on_points(points);
  return points;
}

// Ranks started with different options would else wait for one another at different points.
void Session::agree_on_points(const std::vector<PlannedPoint>& points) {
  std::string names;
  for (const auto& point : points) names += point.name() + "\n";
  const auto digest = static_cast<double>(std::stoull(sha256(names).substr(0, 12), nullptr, 16));
  if (world_.max(digest) != world_.min(digest))
    throw InvalidInput{
        "the ranks have different points to measure: start all of them with the same options, on "
        "devices of one kind"};
}

// Only rank 0 knows the file; the others are told, so that all of them skip the same points.
void Session::keep_what_is_left(std::vector<PlannedPoint> points, int repetitions) {
  std::set<std::string> planned, on_disk;
  for (auto& point : points) {
    Observation identity = measurer_.describe(point);
    std::vector<char> done(static_cast<std::size_t>(repetitions), 0);
    for (int r = 0; r < repetitions; ++r) {
      stamp(identity, r);
      auto& is_done = done[static_cast<std::size_t>(r)] = why_done(identity.key());
      if (is_done != 0) on_disk.insert(identity.key());
    }
    if (!planned.insert(identity.key()).second) continue;  // a sweep may name a point twice
    world_.broadcast(done, 0);
    tally_.given_up += static_cast<int>(std::count(done.begin(), done.end(), kGivenUp));
    if (std::count(done.begin(), done.end(), 0) > 0)
      entries_.push_back({std::move(point), std::move(done)});
  }
  if (keeps_results_ && file_) results_ = file_->read_back(on_disk);
  if (file_ && file_->count() > 0)
    std::cerr << "moecal: " << file_->path() << " holds " << file_->count()
              << " finished points of run '" << run_id_ << "'; " << entries_.size()
              << " are left here\n";
}

char Session::why_done(const std::string& key) const {
  if (!file_) return 0;
  if (file_->given_up(key)) return kGivenUp;
  return file_->done(key) || (keeps_failed_ && file_->failed(key)) ? kDone : 0;
}

void Session::write_plan(const std::function<bool(const std::string& name)>& chosen) {
  if (plan_.empty()) return;  // as on every rank: where points are only listed, one is left
  on_every_rank(world_, [&] {
    if (world_.rank() != 0) return;
    std::ofstream stream{plan_};
    for (const auto& entry : entries_) {
      if (!chosen(entry.point.name())) continue;
      Observation identity = measurer_.describe(entry.point);
      for (std::size_t r = 0; r < entry.done.size(); ++r) {
        stamp(identity, static_cast<int>(r));
        if (entry.done[r] == 0) stream << identity.key() << "\n";
      }
    }
    stream.flush();
    if (!stream) throw Error{"could not write the plan '" + plan_ + "': is the disk full?"};
  });
}

void Session::stamp(Observation& observation, int repetition) const {
  observation.run_id = run_id_;
  observation.repetition = repetition;
  observation.policy.order_seed = order_seed_;
  observation.environment_id = place_.environment.id();
  observation.commit = build::commit;
}

Observation Session::measure_next(Entry& entry) {
  const int last = static_cast<int>(entry.done.size()) - 1;
  while (entry.next < last && entry.done[static_cast<std::size_t>(entry.next)] != 0) ++entry.next;
  Observation observation;
  activity_.begin(entry.point.name());
  const auto started_at = utc_now("%Y-%m-%dT%H:%M:%SZ");
  if (is_over_time()) {
    observation = measurer_.describe(entry.point);
    observation.outcome = Outcome::skipped;
    observation.reason = kNotBegun;
  } else {
    if (!begin(entry, started_at)) return observation;
    try {
      observation = measurer_.measure(entry.point);
    } catch (const Interrupted&) {
      stop(130, "interrupted");
      if (file_) file_->forget();
      return observation;
    } catch (const DeviceLost& lost) {
      observation = lose_device(entry.point, lost.what());
    }
  }
  activity_.step("recording", Activity::Limit::own_work);
  observation.started_at = started_at;
  stamp(observation, entry.next++);
  record(observation);
  activity_.step("recorded", Activity::Limit::own_work);
  return observation;
}

// By the clock of one rank, so that all of them end at the same point.
bool Session::is_over_time() {
  if (!time_limit_) return false;
  const Seconds run = std::chrono::steady_clock::now() - started_;
  return world_.max(world_.rank() == 0 && run >= *time_limit_ ? 1.0 : 0.0) > 0;
}

// A rank that fails among others takes the launch with it, and a crash its process, the record of
// the point included: the point is noted first. Among ranks a note that cannot be written ends the
// run; one rank has a record to write yet.
bool Session::begin(const Entry& entry, const std::string& started_at) {
  if (world_.size() > 1) return write([&] { note(entry, started_at); });
  try {
    if (takes_notes_) note(entry, started_at);
  } catch (const Error& error) {
    takes_notes_ = false;
    std::cerr << "moecal: " << error.what() << " A point that ends this program will be recorded "
              << "nowhere\n";
  }
  return true;
}

void Session::note(const Entry& entry, const std::string& started_at) const {
  if (!file_) return;
  Observation planned = measurer_.describe(entry.point);
  planned.started_at = started_at;
  stamp(planned, entry.next);
  file_->begin(planned);
}

// The point is not tried again by the launches that resume the run.
Observation Session::lose_device(const PlannedPoint& point, const std::string& why) {
  stop(kExitDeviceLost, "the device is lost since " + point.name() + ": " + why);
  Observation observation = measurer_.describe(point);
  observation.outcome = Outcome::failed;
  observation.reason = ended_reason(why);
  return observation;
}

void Session::record(const Observation& observation) {
  if (keeps_results_) results_.push_back(observation);
  int* const counts[]{&tally_.measured, &tally_.skipped, &tally_.failed};
  ++*counts[static_cast<std::size_t>(observation.outcome)];
  tally_.not_begun += is_not_begun(observation) ? 1 : 0;
  tally_.power_limited += observation.device.power_limited ? 1 : 0;
  tally_.launch_bound += observation.is_launch_bound() ? 1 : 0;
  if (observation.outcome == Outcome::skipped && first_skip_.empty())
    first_skip_ = observation.reason;
  (void)write([&] {
    if (file_) file_->append(observation);
  });
}

bool Session::write(const std::function<void()>& to_file) {
  try {
    on_every_rank(world_, to_file);
    return true;
  } catch (const RankLost&) {
    throw;
  } catch (const Error& error) {
    stop(1, error.what());
    return false;
  }
}

std::string Session::nccl_tests_text() {
  if (!keeps_results_) return "";
  std::vector<RankPlace> places(static_cast<std::size_t>(world_.size()));
  for (int rank = 0; rank < world_.size(); ++rank) {
    places[rank].host = place_.hosts[rank];
    const auto of_rank = [&](int mine) {
      return static_cast<int>(world_.max(rank == world_.rank() ? mine : -1.0));
    };
    places[rank].process = of_rank(getpid());
    places[rank].device = of_rank(std::max(0, place_.machine.device));
    places[rank].pci_bus_id = text_of_rank(world_, place_.machine.pci_bus_id, rank);
  }
  return world_.rank() == 0 ? to_nccl_tests(results_, places, place_.environment.device_name) : "";
}

void Session::stop(int exit_status, std::string reason) {
  exit_status_ = exit_status;
  stop_reason_ = std::move(reason);
}

std::string Session::where() const {
  if (!file_) return "nothing was recorded (no --out)";
  return std::to_string(file_->count()) + " points of run '" + run_id_ + "' are whole in " +
         file_->path();
}

std::string Session::agreement() const {
  const Seconds run = std::chrono::steady_clock::now() - started_;
  std::ostringstream text;
  text.precision(2);
  text << "the ranks took " << 100 * (agreeing_ / run) << " % of the run to agree on samples ("
       << agreeing_.count() << " of " << std::fixed << run.count() << " s)";
  return text.str();
}

// Only rank 0 knows of earlier launches of the run.
bool Session::measured_nothing() {
  if (stopped() || exit_status_ != 0) return false;
  const bool skipped = tally_.skipped > 0 || (file_ && file_->count() > 0);
  const bool measured = tally_.measured > 0 || (file_ && file_->measured() > 0);
  return world_.max(world_.rank() == 0 && skipped && !measured ? 1.0 : 0.0) > 0;
}

int Session::finish() {
  if (!stopped() && tally_.failed + tally_.given_up > 0) exit_status_ = 1;
  const bool nothing = measured_nothing();
  if (nothing) exit_status_ = kExitNothingMeasured;
  if (world_.rank() != 0) return exit_status_;
  if (tally_.power_limited > 0)
    std::cerr << "moecal: power-limited: the device's power limit held " << tally_.power_limited
              << " points back in half of their samples or more\n";
  if (tally_.launch_bound > 0)
    std::cerr << "moecal: launch-bound: the device could not be kept from " << tally_.launch_bound
              << " points until they were enqueued, and they took what the host did; no fit uses "
                 "them\n";
  if (nothing)
    std::cerr << "moecal: nothing was measured: every point was skipped"
              << (first_skip_.empty() ? "" : ", the first because " + first_skip_) << "\n";
  if (tally_.given_up > 0)
    std::cerr << "moecal: " << tally_.given_up << " points were left out: "
              << (world_.size() > 1 ? "the launch ended twice" : "launches of this run ended")
              << " while each of them was measured\n";
  if (tally_.not_begun > 0)
    std::cerr << "moecal: " << tally_.not_begun
              << " points were not begun within the time limit of " << time_limit_->count() << " s"
              << (file_ ? "; the same command with --run-id " + run_id_ + " measures them\n"
                        : "\n");
  if (stopped())
    std::cerr << "moecal: stopped: " << stop_reason_ << ". " << where()
              << (file_ ? "; the same command with --run-id " + run_id_ + " resumes\n" : "\n");
  else
    std::cerr << "moecal: " << tally_.measured << " measured, " << tally_.skipped << " skipped, "
              << tally_.failed << " failed; " << where() << "\n";
  if (world_.size() > 1 && tally_.measured > 0) std::cerr << "moecal: " << agreement() << "\n";
  return exit_status_;
}

}  // namespace moecal::bench
