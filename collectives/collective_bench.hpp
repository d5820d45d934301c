// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/benchmark.hpp"
#include "collectives/all_to_all_v/all_to_all_v.hpp"
#include "collectives/collective.hpp"
#include "collectives/groups.hpp"
#include "collectives/nccl_memory.hpp"
#include "collectives/rank_buffers.hpp"

/// What all collectives' benchmarks share: groups, sweep, buffers and verification.
namespace moecal::collectives {

/// A collective as its *_bench.cpp describes it.
struct CollectiveOperation {
  struct MpiImplementation {
    std::string name;
    /// Throws Unsupported for what the call cannot do, before any rank waits in it.
    void (*check)(const CollectiveShape&) = nullptr;
    void (*run)(const CollectiveShape&, const CollectiveTensors&, ControlPlane& group) = nullptr;
    InPlace in_place = InPlace::no;
    bench::Suite from = bench::Suite::quick;
  };
  using Nccl = void (*)(const CollectiveShape&, const CollectiveTensors&, NcclCommunicator, Stream);
  struct NcclImplementation {
    std::string name;
    Nccl run = nullptr;
    InPlace in_place = InPlace::no;
    bench::Suite from = bench::Suite::quick;
    /// Throws Unsupported for what the library at hand cannot do; null: it can do all.
    void (*check)(const CollectiveShape&) = nullptr;
    std::string_view logged{};  // its word in NCCL's log; empty: NCCL logs no algorithm of it
    NcclBuffers buffers = NcclBuffers::plain;
    bool graph = false;  // captured once and replayed, instead of launched
  };

  std::string name;
  std::vector<Dtype> dtypes;                // payloads swept, MPI's first
  std::vector<Dtype> full_dtypes{};         // and these by NCCL in the suite full
  std::vector<std::int64_t> planner_bytes;  // sizes that the documents name
  /// Null where points are sizes in bytes: the points of a suite, without types and ranks.
  std::vector<bench::Case> (*cases)(bench::Suite, const GroupSpec&) = nullptr;
  CollectiveShape (*shape)(const bench::Case&) = nullptr;  // null: sized_shape
  RoutedExchange (*route)(const bench::Case&) = nullptr;   // null: every rank sends as much
  bool in_blocks = true;  // bytes are one block per rank, not just elements
  bool adds = false;      // the library has to know the type to do its work
  /// Throws Unsupported for what no implementation can do, before any rank waits for another.
  CollectiveBuffers (*buffers)(const CollectiveShape&) = nullptr;
  Work (*work)(const CollectiveShape&) = nullptr;
  void (*fill)(const CollectiveShape&, int rank, std::span<std::byte> send) = nullptr;
  double (*error)(const CollectiveShape&, int rank, std::span<const std::byte> receive) = nullptr;
  std::vector<MpiImplementation> mpi{};  // empty in a build without MPI
  /// Empty in a build without NCCL. Those out of place are also measured as a CUDA graph, from
  /// registered buffers and from symmetric windows: make_collective_benchmark adds them.
  std::vector<NcclImplementation> nccl{};
};

/// NCCL communicators of a launch, made once per way to group it.
class NcclGroups;
[[nodiscard]] std::shared_ptr<NcclGroups> make_nccl_groups();

/// Of the MPI that runs; a build without MPI has no caller for it.
[[nodiscard]] LibraryInfo mpi_library();

/// The control planes of the groups of a launch, split once each.
class GroupPlanes {
 public:
  /// Collective over `world` on the first call for a spec; the plane of this rank's group.
  [[nodiscard]] ControlPlane& of(const GroupSpec& spec, ControlPlane& world);

 private:
  std::vector<std::pair<GroupSpec, std::unique_ptr<ControlPlane>>> planes_;
};

/// What the trials of one launch share about its groups; each made when it is first asked for.
class LaunchGroups {
 public:
  /// Learns which ranks share a host. Collective over `world`, before the other members are called.
  void meet(ControlPlane& world);
  /// The node of each rank of the launch; one for all in a launch that is only thought of.
  [[nodiscard]] std::vector<int> nodes(int world) const;
  /// That `ranks` are of this launch, and span the nodes they say. Collective over `world` on the
  /// first call. @throws InvalidInput, Unsupported.
  [[nodiscard]] GroupSpec checked_spec(const Ranks& ranks, ControlPlane& world);
  /// The plane of this rank's group, which MPI can use. Collective as GroupPlanes::of.
  /// @throws Unsupported in a launch without MPI.
  [[nodiscard]] ControlPlane& mpi(const GroupSpec& spec, ControlPlane& world);
  /// Only in a build with NCCL.
  [[nodiscard]] NcclGroups& nccl();

 private:
  GroupPlanes planes_;
  std::vector<int> nodes_;
  std::shared_ptr<NcclGroups> nccl_;
};

/// Of a point that is a size in bytes.
[[nodiscard]] CollectiveShape sized_shape(const bench::Case& c);
[[nodiscard]] std::unique_ptr<bench::Benchmark> make_collective_benchmark(
    CollectiveOperation operation);

/// What a trial is of.
struct NcclTask {
  const CollectiveOperation& operation;
  const CollectiveOperation::NcclImplementation& implementation;
  CollectiveShape shape{};
  GroupSpec spec;
  std::shared_ptr<const RoutedExchange> exchange{};  // shape's, if it has one
};
[[nodiscard]] std::unique_ptr<bench::Trial> make_nccl_trial(const NcclTask& task,
                                                            NcclGroups& groups,
                                                            bench::Context& context);

}  // namespace moecal::collectives
