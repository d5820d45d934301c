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

std::set<std::int64_t> sizes(Suite suite, const GroupSpec& spec,
                             const std::vector<std::int64_t>& planner_bytes) {
  const std::int64_t factor = suite == Suite::full ? 2 : suite == Suite::planner ? 4 : 16;
  const std::int64_t smallest = suite == Suite::full ? 256 : 1_KiB;
  const std::int64_t largest = suite == Suite::quick ? 4_MiB : 1_GiB;
  std::set<std::int64_t> found;
  for (std::int64_t bytes = smallest; bytes <= largest; bytes *= factor) found.insert(bytes);
  // The largest message of quick is its dearest: once per group size.
  if (suite == Suite::quick && !spec.all_at_once && spec.placement == Placement::contiguous)
    found.insert(16_MiB);
  if (suite != Suite::quick) found.insert(planner_bytes.begin(), planner_bytes.end());
  return found;
}

class MpiTrial final : public bench::Trial {
 public:
  MpiTrial(const CollectiveOperation& operation, const Case& c, ControlPlane& group)
      : operation_{operation}, shape_{to_shape(c)}, group_{group}, takes_part_{false} {}

  void set_takes_part(bool takes_part) { takes_part_ = takes_part; }

  void launch(int set, Stream) override {
    auto& buffers = sets_[static_cast<std::size_t>(set)];
    operation_.mpi.run(shape_, {buffers.send.data(), buffers.receive.data()}, group_);
  }
  [[nodiscard]] Bytes footprint() const override {
    return Bytes{takes_part_ ? 2.0 * static_cast<double>(shape_.bytes) : 0.0};
  }
  void prepare(int sets) override {
    if (!takes_part_) return;
    Buffers buffers{std::vector<std::byte>(static_cast<std::size_t>(shape_.bytes)),
                    std::vector<std::byte>(static_cast<std::size_t>(shape_.bytes))};
    operation_.fill(shape_, group_.rank(), buffers.send);
    sets_.assign(static_cast<std::size_t>(sets), buffers);
  }
  [[nodiscard]] VerificationResult verify() override {
    const double error =
        takes_part_ ? operation_.error(shape_, group_.rank(), sets_[0].receive) : 0.0;
    return {error, 0.0, "pattern"};
  }
  [[nodiscard]] LibraryInfo library() const override {
    return {"MPI", mpi_library_version(), "unknown", 0};
  }
  [[nodiscard]] bool takes_part() const override { return takes_part_; }

 private:
  struct Buffers {
    std::vector<std::byte> send;
    std::vector<std::byte> receive;
  };
  const CollectiveOperation& operation_;
  CollectiveShape shape_;
  ControlPlane& group_;
  bool takes_part_;
  std::vector<Buffers> sets_;
};

class CollectiveBenchmark final : public bench::Benchmark {
 public:
  explicit CollectiveBenchmark(CollectiveOperation operation) : operation_{std::move(operation)} {}

  [[nodiscard]] std::string operation() const override { return operation_.name; }

  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string& backend,
                                        int world) const override {
    const std::vector<int> nodes = nodes_by_blocks(world);
    std::vector<Case> cases;
    for (const GroupSpec& spec : group_specs(world))
      for (const Dtype dtype : swept_dtypes(backend))
        for (const std::int64_t bytes : sizes(suite, spec, operation_.planner_bytes)) {
          const std::int64_t whole = spec.group * size_of(dtype);
          if (bytes < whole) continue;
          Case c;
          c.point = {{"bytes", bytes - bytes % whole}};
          c.dtypes.a = c.dtypes.c = to_string(dtype);
          c.ranks = to_ranks(spec, nodes);
          cases.push_back(c);
        }
    return cases;
  }

  [[nodiscard]] Work work(const Case& c) const override { return operation_.work(to_shape(c)); }

  [[nodiscard]] std::vector<Implementation> implementations() const override {
    std::vector<Implementation> found;
    for (const auto& implementation : operation_.nccl)
      found.push_back({implementation.name, "nccl"});
    if (operation_.mpi.run != nullptr) found.push_back({"ompi", "mpi"});
    return found;
  }

  [[nodiscard]] std::unique_ptr<bench::Trial> make_trial(const Implementation& implementation,
                                                         const Case& c,
                                                         Context& context) const override {
    const GroupSpec spec = to_spec(c.ranks);
    if (spec.world != context.world.size())
      throw InvalidInput{"the point is of a launch of " + std::to_string(spec.world) +
                         " ranks; this one has " + std::to_string(context.world.size())};
    operation_.check(to_shape(c));
    check_nodes(c.ranks, spec, context.world);
    if (implementation.backend == "mpi") return make_mpi_trial(c, spec, context);
    return make_nccl(implementation, c, spec, context);
  }

 private:
  /// The payload's type decides which algorithm NCCL takes; to MPI it is so many bytes.
  [[nodiscard]] std::vector<Dtype> swept_dtypes(const std::string& backend) const {
    if (backend != "nccl") return {operation_.dtypes.front()};
    return operation_.dtypes;
  }

  /// The recorded nodes come from the launcher's variables; the hosts must agree with them.
  void check_nodes(const Ranks& ranks, const GroupSpec& spec, ControlPlane& world) const {
    if (shared_->nodes.empty()) shared_->nodes = nodes_of_ranks(world);
    const Ranks found = to_ranks(spec, shared_->nodes);
    if (found.nodes != ranks.nodes)
      throw Unsupported{"the groups span " + std::to_string(found.nodes) + " nodes, but the " +
                        "launcher's variables say " + std::to_string(ranks.nodes) +
                        ": place ranks in blocks, one node after the other"};
  }

  [[nodiscard]] std::unique_ptr<bench::Trial> make_mpi_trial(const Case& c, const GroupSpec& spec,
                                                             Context& context) const {
    if (context.world.native() == nullptr)
      throw Unsupported{"MPI collectives need a launch by MPI: start the program with mpirun"};
    operation_.mpi.check(to_shape(c));
    auto trial = std::make_unique<MpiTrial>(operation_, c, shared_->planes.of(spec, context.world));
    trial->set_takes_part(membership(spec, context.world.rank()).takes_part);
    return trial;
  }

  [[nodiscard]] std::unique_ptr<bench::Trial> make_nccl(const Implementation& implementation,
                                                        const Case& c, const GroupSpec& spec,
                                                        Context& context) const {
    const auto found = std::ranges::find(operation_.nccl, implementation.name,
                                         &CollectiveOperation::NcclImplementation::name);
    if constexpr (build::has_nccl)
      if (found != operation_.nccl.end()) {
        if (!shared_->nccl) shared_->nccl = make_nccl_groups();
        return make_nccl_trial({operation_, found->run, to_shape(c), spec}, *shared_->nccl,
                               context);
      }
    throw Unsupported{"this build has no implementation " + implementation.name};
  }

  /// What trials of one launch share; made by the first that needs it.
  struct Shared {
    GroupPlanes planes;
    std::vector<int> nodes;
    std::shared_ptr<NcclGroups> nccl;
  };
  CollectiveOperation operation_;
  std::unique_ptr<Shared> shared_ = std::make_unique<Shared>();
};

}  // namespace

ControlPlane& GroupPlanes::of(const GroupSpec& spec, ControlPlane& world) {
  GroupSpec all = spec;
  all.all_at_once = true;  // alone or together, the groups are the same
  for (auto& [known, plane] : planes_)
    if (known == all) return *plane;
  planes_.emplace_back(all, world.split(membership(all, world.rank()).index));
  return *planes_.back().second;
}

CollectiveShape to_shape(const Case& c) {
  return {c.point.at("bytes"), parse_dtype(c.dtypes.a), c.ranks.group};
}

std::unique_ptr<bench::Benchmark> make_collective_benchmark(CollectiveOperation operation) {
  return std::make_unique<CollectiveBenchmark>(std::move(operation));
}

}  // namespace moecal::collectives
