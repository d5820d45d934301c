// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/cudnn_graph.hpp"

#include <cudnn_frontend.h>

#include <cmath>
#include <map>
#include <tuple>
#include <unordered_map>

#include "core/error.hpp"
#include "kernels/attention/cudnn_library.hpp"

namespace cudnn_frontend {
void* cudnn_dlhandle = nullptr;  // the headers look cuDNN's functions up in it
}

namespace moecal::kernels {
namespace {

namespace fe = cudnn_frontend;

enum Uid : std::int64_t { kQueries = 1, kKeys, kValues, kResult };

fe::DataType_t type_of(const AttentionShape& shape) {
  if (shape.type == Dtype::f16) return fe::DataType_t::HALF;
  if (shape.type == Dtype::bf16) return fe::DataType_t::BFLOAT16;
  throw Unsupported{"cuDNN's fused attention takes f16 and bf16, not " +
                    std::string{to_string(shape.type)}};
}

/// [batch, heads, sequence, head_size], row-major.
template <class Tensor>
void lay_out(Tensor& tensor, const AttentionShape& shape, std::int64_t heads) {
  const std::int64_t head = shape.sequence * shape.head_size;
  tensor.set_dim({shape.batch, heads, shape.sequence, shape.head_size})
      .set_stride({heads * head, head, shape.head_size, 1});
}

void require(fe::error_t status, const std::string& what) {
  if (status.is_bad())
    throw Error{what + " failed: cuDNN says " + cudnn_reason(status.get_message())};
}

/// What is refused before anything is compiled is not supported.
void require_supported(fe::error_t status) {
  if (status.is_good()) return;
  const auto code = status.get_code();
  if (code == fe::error_code_t::CUDA_API_FAILED || code == fe::error_code_t::HANDLE_ERROR)
    require(status, "describing attention to cuDNN");
  throw Unsupported{"cuDNN has no fused attention for this: " + cudnn_reason(status.get_message())};
}

/// cuDNN's of the current device.
class Handle {
 public:
  Handle() { check(fe::detail::create_handle(&handle_), "making a handle of cuDNN"); }
  ~Handle() { (void)fe::detail::destroy_handle(handle_); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  [[nodiscard]] cudnnHandle_t get() const { return handle_; }
  void set_stream(Stream stream) {
    check(fe::detail::set_stream(handle_, stream), "giving cuDNN a stream");
  }

 private:
  static void check(cudnnStatus_t status, const std::string& what) {
    if (status != CUDNN_STATUS_SUCCESS)
      throw Error{what + " failed: " + fe::detail::get_error_string(status)};
  }
  cudnnHandle_t handle_ = nullptr;
};

void describe_attention(fe::graph::Graph& graph, const AttentionShape& shape) {
  graph.set_io_data_type(type_of(shape))
      .set_intermediate_data_type(fe::DataType_t::FLOAT)
      .set_compute_data_type(fe::DataType_t::FLOAT);
  const auto operand = [&](const char* name, Uid uid, std::int64_t heads) {
    fe::graph::Tensor_attributes tensor;
    tensor.set_name(name).set_uid(uid);
    lay_out(tensor, shape, heads);
    return graph.tensor(tensor);
  };
  const auto queries = operand("queries", kQueries, shape.heads);
  const auto keys = operand("keys", kKeys, shape.kv_heads);
  const auto values = operand("values", kValues, shape.kv_heads);
  fe::graph::SDPA_attributes attention;
  attention.set_name("attention")
      .set_generate_stats(false)
      .set_attn_scale(static_cast<float>(1 / std::sqrt(static_cast<double>(shape.head_size))));
  if (shape.causal)
    attention.set_diagonal_alignment(fe::DiagonalAlignment_t::TOP_LEFT)
        .set_diagonal_band_right_bound(0);
  const auto result = graph.sdpa(queries, keys, values, attention)[0];
  result->set_output(true).set_uid(kResult);
  lay_out(*result, shape, shape.heads);
}

std::shared_ptr<fe::DeviceProperties> properties_of(const CudnnTarget& target) {
  auto properties = std::make_shared<fe::DeviceProperties>();
  require(
      properties->deserialize({target.device_properties.begin(), target.device_properties.end()}),
      "reading cuDNN's device properties");
  return properties;
}

/// What plans are made with: a handle, or the properties of a device that need not be there.
class Device {
 public:
  explicit Device(const CudnnTarget& target) : capability_{target.capability} {
    if (target.device_properties.empty())
      handle_ = std::make_unique<Handle>();
    else
      properties_ = properties_of(target);
  }

  /// Before the graph is described: its parts copy what it knows of the device.
  void tell(fe::graph::Graph& graph) const {
    graph.set_sm_version(capability_);
    if (properties_) graph.set_device_properties(properties_);
  }
  void make_plans_of(fe::graph::Graph& graph) const {
    require_supported(graph.validate());
    require_supported(graph.build_operation_graph(handle_ ? handle_->get() : nullptr));
    require_supported(graph.create_execution_plans({fe::HeurMode_t::A}));
    require_supported(graph.check_support());
  }
  [[nodiscard]] Handle& handle() const {
    if (!handle_) throw Error{"a plan for a device that is not here cannot be launched"};
    return *handle_;
  }

 private:
  int capability_;
  std::unique_ptr<Handle> handle_;
  std::shared_ptr<fe::DeviceProperties> properties_;
};

class FrontendGraph final : public CudnnGraph {
 public:
  FrontendGraph(const AttentionShape& shape, const Device& device, int most_plans)
      : device_{device} {
    device_.tell(graph_);
    describe_attention(graph_, shape);
    device_.make_plans_of(graph_);
    for (std::int64_t at = 0; at < graph_.get_execution_plan_count(); ++at)
      if (std::ssize(plans_) < most_plans) add_plan(at);
    if (plans_.empty()) throw Error{"none of cuDNN's plans could be made; the last: " + refusal_};
  }

  [[nodiscard]] const std::vector<CudnnPlan>& plans() const override { return plans_; }

  void launch(std::size_t plan, const CudnnAddresses& addresses, Stream stream) override {
    auto& handle = device_.handle();
    handle.set_stream(stream);
    std::unordered_map<std::int64_t, void*> pack{{kQueries, addresses.queries},
                                                 {kKeys, addresses.keys},
                                                 {kValues, addresses.values},
                                                 {kResult, addresses.result}};
    require(graph_.execute_plan_at_index(handle.get(), pack, addresses.workspace, indices_[plan]),
            "launching cuDNN's plan " + plans_[plan].name);
  }

 private:
  void add_plan(std::int64_t index) {
    if (auto status = graph_.build_plan_at_index(index); status.is_bad()) {
      refusal_ = cudnn_reason(status.get_message());
      return;
    }
    CudnnPlan plan;
    require(graph_.get_plan_name_at_index(index, plan.name), "asking for a plan's name");
    plan.workspace_bytes = graph_.get_workspace_size_plan_at_index(index);
    plans_.push_back(plan);
    indices_.push_back(index);
  }

  const Device& device_;
  fe::graph::Graph graph_;
  std::vector<CudnnPlan> plans_;
  std::vector<std::int64_t> indices_;  // of the plans, among those that the heuristic offered
  std::string refusal_;
};

class FrontendPlanner final : public CudnnPlanner {
 public:
  FrontendPlanner(const CudnnTarget& target, int most_plans)
      : device_{target}, most_plans_{most_plans} {}

  [[nodiscard]] CudnnGraph& graph_of(const AttentionShape& s) override {
    auto& graph =
        graphs_[{s.batch, s.sequence, s.heads, s.kv_heads, s.head_size, s.causal, s.type}];
    if (!graph) graph = std::make_unique<FrontendGraph>(s, device_, most_plans_);
    return *graph;
  }

 private:
  using Key =
      std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t, bool, Dtype>;
  Device device_;
  int most_plans_;
  std::map<Key, std::unique_ptr<FrontendGraph>> graphs_;
};

}  // namespace

std::unique_ptr<CudnnPlanner> make_cudnn_planner(const CudnnTarget& target, int most_plans) {
  if (fe::cudnn_dlhandle == nullptr) fe::cudnn_dlhandle = load_cudnn().handle;
  return std::make_unique<FrontendPlanner>(target, most_plans);
}

std::string cudnn_frontend_version() {
  return std::to_string(CUDNN_FRONTEND_MAJOR_VERSION) + "." +
         std::to_string(CUDNN_FRONTEND_MINOR_VERSION) + "." +
         std::to_string(CUDNN_FRONTEND_PATCH_VERSION);
}

}  // namespace moecal::kernels
