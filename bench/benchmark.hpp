// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/observation.hpp"
#include "runtime/control_plane.hpp"
#include "runtime/stream.hpp"

/// The contract between an operation and the sampler: what an operation's *_bench.cpp implements.
/// Warm-up, sample counts, stop rule, cache policy, barriers, printing and records are not in it:
/// they are bench's.
namespace moecal::bench {

/// What Trial::filled_with() says of most operands.
inline constexpr char kUniformFill[] = "uniform [-1, 1]";

/// Which points a sweep has: quick (seconds), planner (every primitive the documents need), full.
enum class Suite { quick, planner, full };

/// About what a point of each suite takes on a GPU, on the average: many cost nothing, for a card
/// cannot do what every implementation can.
struct PointTimes {
  Seconds quick{0.06}, planner{0.053}, full{0.053};
  [[nodiscard]] Seconds of(Suite suite) const {
    return suite == Suite::quick ? quick : suite == Suite::planner ? planner : full;
  }
};

/// One point of a sweep, before an implementation is chosen.
struct Case {
  Point point;
  Dtypes dtypes;
  Ranks ranks;
  RoutingSpec routing;
  bool routed = false;
};

/// One way to run an operation; the names go into the record.
struct Implementation {
  std::string name;            // e.g. onednn_packed, cublaslt, own, ompi, nccl
  std::string backend;         // cpu | cuda | mpi | nccl: decides device and clock
  Suite from = Suite::quick;   // the smallest suite that measures it without being told to
  std::string graph = "none";  // none | cuda_graph: what Policy::graph says
  bool of_host = false;        // work of the host beside its GPUs: measured with them too
};

/// What a trial may use of the run it belongs to.
struct Context {
  ControlPlane& world;  // all ranks of the launch
  int device = -1;      // CUDA device of this rank; -1 on the CPU
};

/// Something that a trial's launch is made of, or is compared with: timed apart from it, in the
/// same batches, when the samples are taken.
struct Part {
  std::string name;
  std::function<void(int set, Stream)> launch{};  // as Trial::launch
  /// Where a launch does more than the part: the part's own time in all launches since this was
  /// asked last. Asked when they have ended. Empty: the launch is the part.
  std::function<Seconds()> own_time{};
  int calls = 1;     // of the part in one launch: more where one alone is short beside a launch
  int enqueues = 0;  // of one launch, as Trial::enqueues; 0: as `calls` launches of the trial
  Work work{};       // of one call; nothing, where it is not known
  int sets = 0;      // buffer sets that its launches go over; 0: as the trial's
};

/// One case on one implementation: owns its buffers. Made right before it is sampled, destroyed
/// right after. A constructor that finds the case impossible here throws Unsupported; the point is
/// recorded as skipped.
class Trial {
 public:
  virtual ~Trial() = default;
  /// Exactly what is timed, on buffer set `set` (0 <= set < buffer_sets()). CUDA: enqueues on
  /// `stream` and returns; CPU, MPI: returns when this rank is done.
  virtual void launch(int set, Stream stream) = 0;
  /// Bytes that one buffer set touches; the sampler asks for enough sets to defeat the cache.
  [[nodiscard]] virtual Bytes footprint() const = 0;
  /// Memory that one buffer set takes, where more is allocated than a launch touches.
  [[nodiscard]] virtual Bytes allocated() const { return footprint(); }
  /// Host memory that one buffer set takes beside what footprint() says of the device's.
  [[nodiscard]] virtual Bytes host_memory() const { return Bytes{0}; }
  /// Makes `sets` buffer sets, with different routing draws where the operation routes. Called
  /// once, before launch.
  virtual void prepare(int sets) = 0;
  /// Gives buffer set `set` the routing draw number `draw`, where the operation routes: no two
  /// samples share a table. Called between samples, not timed, with a number not given before
  /// (prepare() took 0 to sets - 1). False where nothing is routed, or every draw is alike.
  [[nodiscard]] virtual bool redraw(int /*set*/, std::int64_t /*draw*/) { return false; }
  /// Whether a draw is part of what was prepared, as the counts of an exchange that all ranks have
  /// agreed on: then every buffer set keeps its own, and samples on one set share it.
  [[nodiscard]] virtual bool keeps_draws() const { return false; }
  /// Of an exchange by a routing draw: what each rank of the group has in it.
  [[nodiscard]] virtual ExchangedBytes exchanged() const { return {}; }
  /// What every launch on buffer set `set` writes, where the backend has its memory: the start of
  /// its result, or all of it; no launch reads what an earlier one left there, and none leaves 16
  /// bytes of ones. Before samples it is marked, so that a cold point is one of launches that
  /// really went to every set (ResultMarks). Empty where launches leave nothing of their own in a
  /// set, which is then only measured warm: empty kernels, copies between host and device,
  /// collectives.
  [[nodiscard]] virtual std::span<std::byte> written(int /*set*/) { return {}; }
  /// Kernels, copies and events that a launch enqueues at most, where it never waits for the
  /// device: then no launch gap is in its time (Clock::hold). 0: it may wait, or has to. Of a
  /// graph: enqueued_by_graph().
  [[nodiscard]] virtual int enqueues() const { return 0; }
  /// What the operands hold, as it stands in the record; never zeros, which draw less power.
  [[nodiscard]] virtual std::string filled_with() const = 0;
  /// Asked on the host while launches of several ranks run on the device, `waited` after the last
  /// of them, and once more when they ended. Not timed.
  /// @throws Error naming this rank and the operation, if they failed or do not end.
  virtual void check_progress(Seconds /*waited*/) {}
  /// Compares what the last launch of set 0 wrote with the oracle. Collective over ranks where
  /// launch is.
  [[nodiscard]] virtual VerificationResult verify() = 0;
  [[nodiscard]] virtual LibraryInfo library() const = 0;
  /// Observation::figures: asked after verify().
  [[nodiscard]] virtual std::map<std::string, double> figures() const { return {}; }
  /// The same names on every rank; the functions live as long as the trial. Called once, after
  /// prepare.
  [[nodiscard]] virtual std::vector<Part> parts() { return {}; }
  /// False on ranks that take no part (their group is not measured); they still follow every
  /// agreement.
  [[nodiscard]] virtual bool takes_part() const { return true; }
  /// Number of this rank's group among those that are measured at once; groups run independently.
  [[nodiscard]] virtual int group() const { return 0; }
};

/// An operation as the suite sees it.
class Benchmark {
 public:
  virtual ~Benchmark() = default;
  [[nodiscard]] virtual std::string operation() const = 0;
  /// Called once on all ranks of a launch, before its sweep: what a sweep has to know of the other
  /// ranks. Collective over `world`.
  virtual void meet(ControlPlane& /*world*/) {}
  /// The cases of a suite on a backend (cpu, cuda, mpi, nccl) for a launch of `world` ranks (1 for
  /// kernels): what is worth measuring on a GPU may be hours on a CPU.
  [[nodiscard]] virtual std::vector<Case> sweep(Suite suite, const std::string& backend,
                                                int world) const = 0;
  [[nodiscard]] virtual Work work(const Case& c) const = 0;
  /// Where an implementation does other work for a case: what stands in its record.
  [[nodiscard]] virtual Work work_by(const Implementation& /*implementation*/,
                                     const Case& c) const {
    return work(c);
  }
  /// Whether an implementation measures a case of a suite without being told to, where not all
  /// measure all.
  [[nodiscard]] virtual bool measures(const Implementation& /*implementation*/, const Case& /*c*/,
                                      Suite /*suite*/) const {
    return true;
  }
  /// Whether a ratio that is reported is of this case: then it is measured before others, so that a
  /// run that is cut has it.
  [[nodiscard]] virtual bool leads(const Case& /*c*/) const { return false; }
  /// Choosing algorithms, making operands and verification included: by this, times their numbers,
  /// programs share the time of a run.
  [[nodiscard]] virtual PointTimes point_times() const { return {}; }
  /// Those of this build, best known first.
  [[nodiscard]] virtual std::vector<Implementation> implementations() const = 0;
  /// Whether the cache could make a difference: else only warm is measured.
  [[nodiscard]] virtual bool has_cold_form() const { return true; }
  /// @throws Unsupported if the case cannot be run here, with the reason.
  [[nodiscard]] virtual std::unique_ptr<Trial> make_trial(const Implementation& implementation,
                                                          const Case& c,
                                                          Context& context) const = 0;
};

}  // namespace moecal::bench
