// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/collective_bench.hpp"

#include <algorithm>
#include <set>

#include "core/build.hpp"
#include "core/error.hpp"
#include "runtime/hosts.hpp"
#include "runtime/mpi_plane.hpp"

namespace moecal::collectives {
namespace {

using namespace literals;
using bench::Case;
using bench::Context;
using bench::Implementation;
using bench::Suite;

/// Which sizes of one way to group a launch are measured.
struct Sizes {
  Suite suite;
  std::string backend;
  bool closely;  // planner: every 4-fold and the documents' sizes, not every 16-fold
  bool whole;    // the group is the launch

  [[nodiscard]] std::set<std::int64_t> with(const std::vector<std::int64_t>& planner_bytes) const {
    std::set<std::int64_t> found;
    const std::int64_t factor = suite == Suite::full                 ? 2
                                : closely && suite == Suite::planner ? 4
                                                                     : 16;
    for (std::int64_t bytes = suite == Suite::full ? 256 : 1_KiB; bytes <= largest();
         bytes *= factor)
      found.insert(bytes);
    // The largest message of quick is its dearest: once per group size.
    if (suite == Suite::quick && closely) found.insert(16_MiB);
    for (const std::int64_t bytes : planner_bytes)
      if (suite == Suite::full || (suite == Suite::planner && closely && is_worth(bytes)))
        found.insert(bytes);
    return found;
  }

 private:
  // Beyond the largest a call costs what the bandwidth says: one group size shows whether it does.
  [[nodiscard]] bool is_worth(std::int64_t bytes) const {
    return bytes <= largest() || (whole && backend != "mpi");
  }
  // Beyond its caches a host copies at one rate, and 1 GiB takes seconds.
  [[nodiscard]] std::int64_t largest() const {
    if (suite == Suite::quick) return 4_MiB;
    return suite == Suite::planner && backend == "mpi" ? 16_MiB : 1_GiB;
  }
};

// Where a transport switches protocol depends on the group and what it crosses: contiguous groups
// alone, and the pairs that cross nodes where those do not. Elsewhere it is enough to see how far
// times are from these.
bool is_looked_at_closely(const GroupSpec& spec, const Ranks& ranks) {
  return is_contiguous_alone(spec) ||
         (!spec.all_at_once && spec.group == 2 && ranks.tier == "inter");
}

/// What a trial by MPI is of; `group` is the plane of this rank's group.
struct MpiTask {
  const CollectiveOperation& operation;
  const CollectiveOperation::MpiImplementation& implementation;
  CollectiveShape shape{};
  Membership where{};
  std::shared_ptr<const RoutedExchange> exchange{};  // shape's, if it has one
};

class MpiTrial final : public bench::Trial {
 public:
  MpiTrial(const MpiTask& task, ControlPlane& group)
      : task_{task},
        group_{group},
        sizes_{task.operation.buffers(task.shape)},
        layout_{layout_of(sizes_, group.rank(), task.implementation.in_place)} {}

  void launch(int set, Stream) override {
    auto& buffers = sets_[static_cast<std::size_t>(set)];
    task_.implementation.run(task_.shape, buffers.tensors(layout_), group_);
  }
  [[nodiscard]] Bytes footprint() const override {
    return Bytes{takes_part() ? static_cast<double>(layout_.first + layout_.second) : 0.0};
  }
  void prepare(int sets) override {
    if (!takes_part()) return;
    for (int set = 0; set < sets; ++set) {
      sets_.push_back({std::vector<std::byte>(static_cast<std::size_t>(layout_.first)),
                       std::vector<std::byte>(static_cast<std::size_t>(layout_.second))});
      fill(sets_.back());
    }
  }
  /// One more call from fresh buffers tells: what an earlier one left there would pass for what
  /// this one should have brought, and in place, sums have been added to sums.
  [[nodiscard]] VerificationResult verify() override {
    if (!takes_part()) return {0.0, 0.0, "pattern"};
    fill(sets_[0]);
    launch(0, nullptr);
    const std::span<const std::byte> received{sets_[0].tensors(layout_).receive,
                                              static_cast<std::size_t>(sizes_.receive)};
    return {task_.operation.error(task_.shape, group_.rank(), received), 0.0, "pattern"};
  }
  [[nodiscard]] std::string filled_with() const override { return "pattern of rank and index"; }
  [[nodiscard]] ExchangedBytes exchanged() const override {
    return task_.exchange ? exchanged_bytes(*task_.exchange) : ExchangedBytes{};
  }
  [[nodiscard]] LibraryInfo library() const override { return mpi_library(); }
  [[nodiscard]] bool takes_part() const override { return task_.where.takes_part; }
  [[nodiscard]] int group() const override { return task_.where.index; }

 private:
  using Buffers = RankBuffers<std::vector<std::byte>>;

  void fill(Buffers& buffers) const {
    std::ranges::fill(buffers.first, std::byte{});
    std::ranges::fill(buffers.second, kStale);
    const std::span<std::byte> memory{buffers.first};
    task_.operation.fill(task_.shape, group_.rank(), memory.subspan(layout_.send_at, sizes_.send));
  }

  MpiTask task_;
  ControlPlane& group_;
  CollectiveBuffers sizes_;
  RankLayout layout_;
  std::vector<Buffers> sets_;
};

/// The implementation of that name. @throws Unsupported if there is none.
template <class Implementations>
const auto& find_implementation(const Implementations& all, const std::string& name) {
  for (const auto& implementation : all)
    if (implementation.name == name) return implementation;
  throw Unsupported{"this build has no implementation " + name};
}

/// Each way to call NCCL out of place, once more as a graph and from buffers that NCCL knows.
void add_variants(std::vector<CollectiveOperation::NcclImplementation>& all) {
  const auto plain = all;
  for (const auto& implementation : plain) {
    if (implementation.in_place != InPlace::no) continue;
    auto variant = implementation;
    variant.from = Suite::full;
    const auto add = [&](const char* suffix, NcclBuffers buffers, bool graph) {
      variant.name = implementation.name + suffix;
      variant.buffers = buffers;
      variant.graph = graph;
      all.push_back(variant);
    };
    add("_graph", NcclBuffers::plain, true);
    add("_registered", NcclBuffers::registered, false);
    add("_symmetric", NcclBuffers::symmetric, false);
  }
}

class CollectiveBenchmark final : public bench::Benchmark {
 public:
  explicit CollectiveBenchmark(CollectiveOperation operation) : operation_{std::move(operation)} {
    add_variants(operation_.nccl);
  }

  [[nodiscard]] std::string operation() const override { return operation_.name; }

  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string& backend,
                                        int world) const override {
    const std::vector<int> nodes = groups_->nodes(world);
    std::vector<Case> cases;
    for (const GroupSpec& spec : group_specs(world)) {
      const Ranks ranks = to_ranks(spec, nodes);
      const Sizes sizes{suite, backend, is_looked_at_closely(spec, ranks), spec.group == world};
      for (const Dtype dtype : swept_dtypes(suite, backend))
        for (Case& c : operation_.cases == nullptr ? sized_cases(sizes, spec, dtype)
                                                   : operation_.cases(suite, spec)) {
          c.dtypes.a = c.dtypes.c = to_string(dtype);
          c.ranks = ranks;
          cases.push_back(std::move(c));
        }
    }
    return cases;
  }

  void meet(ControlPlane& world) override { groups_->meet(world); }

  [[nodiscard]] Work work(const Case& c) const override { return operation_.work(shape_of(c)); }

  [[nodiscard]] std::vector<Implementation> implementations() const override {
    std::vector<Implementation> found;
    for (const auto& implementation : operation_.nccl)
      found.push_back({implementation.name, "nccl", implementation.from,
                       implementation.graph ? "cuda_graph" : "none"});
    for (const auto& implementation : operation_.mpi)
      found.push_back({implementation.name, "mpi", implementation.from});
    return found;
  }

  [[nodiscard]] std::unique_ptr<bench::Trial> make_trial(const Implementation& implementation,
                                                         const Case& c,
                                                         Context& context) const override {
    static_cast<void>(groups_->checked_spec(c.ranks, context.world));
    return implementation.backend == "mpi" ? make_mpi(implementation.name, c, context)
                                           : make_nccl(implementation.name, c, context);
  }

 private:
  [[nodiscard]] std::vector<Case> sized_cases(const Sizes& sizes, const GroupSpec& spec,
                                              Dtype dtype) const {
    const std::int64_t whole = (operation_.in_blocks ? spec.group : 1) * size_of(dtype);
    std::vector<Case> cases;
    for (const std::int64_t bytes : sizes.with(operation_.planner_bytes)) {
      if (bytes < whole) continue;
      cases.emplace_back();
      cases.back().point = {{"bytes", bytes - bytes % whole}};
    }
    return cases;
  }

  [[nodiscard]] CollectiveShape shape_of(const Case& c) const {
    return operation_.shape == nullptr ? sized_shape(c) : operation_.shape(c);
  }

  /// Fills the shape of a rank's task, and refuses what no implementation can do.
  template <class Task>
  void give_shape(Task& task, const Case& c, int rank) const {
    task.shape = shape_of(c);
    task.shape.index = membership(to_spec(c.ranks), rank).index;
    if (operation_.route != nullptr) {
      task.exchange = std::make_shared<const RoutedExchange>(operation_.route(c));
      task.shape.exchange = task.exchange.get();
    }
    static_cast<void>(operation_.buffers(task.shape));
  }

  /// The payload's type decides which algorithm NCCL takes; to MPI it is so many bytes.
  [[nodiscard]] std::vector<Dtype> swept_dtypes(Suite suite, const std::string& backend) const {
    if (backend != "nccl") return {operation_.dtypes.front()};
    std::vector<Dtype> swept = operation_.dtypes;
    if (suite == Suite::full)
      swept.insert(swept.end(), operation_.full_dtypes.begin(), operation_.full_dtypes.end());
    return swept;
  }

  [[nodiscard]] std::unique_ptr<bench::Trial> make_mpi(const std::string& name, const Case& c,
                                                       Context& context) const {
    const GroupSpec spec = to_spec(c.ranks);
    ControlPlane& group = groups_->mpi(spec, context.world);
    MpiTask task{operation_, find_implementation(operation_.mpi, name)};
    give_shape(task, c, context.world.rank());
    task.where = membership(spec, context.world.rank());
    task.implementation.check(task.shape);
    return std::make_unique<MpiTrial>(task, group);
  }

  [[nodiscard]] std::unique_ptr<bench::Trial> make_nccl(const std::string& name, const Case& c,
                                                        Context& context) const {
    const auto& implementation = find_implementation(operation_.nccl, name);
    if constexpr (build::has_nccl) {
      NcclTask task{operation_, implementation, {}, to_spec(c.ranks)};
      give_shape(task, c, context.world.rank());
      return make_nccl_trial(task, groups_->nccl(), context);
    }
    throw Unsupported{"this build has no NCCL"};
  }

  CollectiveOperation operation_;
  std::unique_ptr<LaunchGroups> groups_ = std::make_unique<LaunchGroups>();
};

}  // namespace

LibraryInfo mpi_library() {
  if constexpr (build::has_mpi) return {"MPI", mpi_library_version(), "unknown", 0};
  return {};
}

ControlPlane& GroupPlanes::of(const GroupSpec& spec, ControlPlane& world) {
  GroupSpec all = spec;
  all.all_at_once = true;  // alone or together, the groups are the same
  for (auto& [known, plane] : planes_)
    if (known == all) return *plane;
  planes_.emplace_back(all, world.split(membership(all, world.rank()).index));
  return *planes_.back().second;
}

void LaunchGroups::meet(ControlPlane& world) { nodes_ = nodes_of_ranks(world); }

std::vector<int> LaunchGroups::nodes(int world) const {
  if (static_cast<int>(nodes_.size()) == world) return nodes_;
  return std::vector<int>(static_cast<std::size_t>(world), 0);
}

// A point of a suite file says how many nodes it spans: the hosts must agree.
GroupSpec LaunchGroups::checked_spec(const Ranks& ranks, ControlPlane& world) {
  const GroupSpec spec = to_spec(ranks);
  if (spec.world != world.size())
    throw Unsupported{"the point is of a launch of " + std::to_string(spec.world) +
                      " ranks; this one has " + std::to_string(world.size())};
  if (nodes_.empty()) meet(world);
  const Ranks found = to_ranks(spec, nodes_);
  if (found.nodes != ranks.nodes)
    throw Unsupported{"the groups span " + std::to_string(found.nodes) +
                      " nodes in this launch, but the point is of " + std::to_string(ranks.nodes)};
  return spec;
}

ControlPlane& LaunchGroups::mpi(const GroupSpec& spec, ControlPlane& world) {
  if (world.native() == nullptr)
    throw Unsupported{"MPI collectives need a launch by MPI: start the program with mpirun"};
  return planes_.of(spec, world);
}

NcclGroups& LaunchGroups::nccl() {
  if constexpr (build::has_nccl)
    if (!nccl_) nccl_ = make_nccl_groups();
  return *nccl_;
}

CollectiveShape sized_shape(const Case& c) {
  return {c.point.at("bytes"), parse_dtype(c.dtypes.a), c.ranks.group};
}

std::unique_ptr<bench::Benchmark> make_collective_benchmark(CollectiveOperation operation) {
  return std::make_unique<CollectiveBenchmark>(std::move(operation));
}

}  // namespace moecal::collectives
