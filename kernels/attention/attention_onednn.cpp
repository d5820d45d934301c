// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <dnnl.hpp>
#include <limits>
#include <unordered_map>

#include "core/error.hpp"
#include "core/narrow_float.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/expert_gemm/expert_gemm.hpp"

namespace moecal::kernels {
namespace {

using dnnl::memory;
using tag = memory::format_tag;
using Arguments = std::unordered_map<int, memory>;

memory::data_type onednn_type(Dtype dtype) {
  if (dtype == Dtype::f32) return memory::data_type::f32;
  if (dtype == Dtype::bf16) return memory::data_type::bf16;
  throw Unsupported{"oneDNN's products on CPUs are measured in f32 and bf16, not " +
                    std::string{to_string(dtype)}};
}

/// Matrices of the heads that share a head of keys, one after the other.
struct Layouts {
  explicit Layouts(const AttentionShape& shape)
      : type{onednn_type(shape.type)},
        heads{shape.batch * shape.kv_heads},
        rows{shape.heads / shape.kv_heads * shape.sequence},
        queries{{heads, rows, shape.head_size}, type, tag::abc},
        keys{{heads, shape.head_size, shape.sequence}, type, tag::acb},
        values{{heads, shape.sequence, shape.head_size}, type, tag::abc},
        scores{{heads, rows, shape.sequence}, type, tag::abc} {}
  memory::data_type type;
  std::int64_t heads, rows;
  memory::desc queries, keys, values, scores;
};

/// Takes from each query the keys after it: their scores become -infinity. In place, on OpenMP's
/// threads, which are oneDNN's too. (A mask added by the product makes oneDNN take a plain loop.)
template <class T>
void hide_later_keys(const AttentionShape& shape, T* scores) {
  const auto hidden = from_float<T>(-std::numeric_limits<float>::infinity());
  const std::int64_t rows = shape.query_rows(), sequence = shape.sequence;
#pragma omp parallel for
  for (std::int64_t row = 0; row < rows; ++row)
    std::fill(scores + row * sequence + row % sequence + 1, scores + (row + 1) * sequence, hidden);
}

dnnl::primitive_attr score_attributes(const AttentionShape& shape) {
  dnnl::primitive_attr attributes;
  const auto scale = 1 / std::sqrt(static_cast<double>(shape.head_size));
  attributes.set_output_scales(0, {static_cast<float>(scale)});
  return attributes;
}

struct Descriptions {
  Descriptions(const AttentionShape& shape, const Layouts& layouts, const dnnl::engine& engine)
      : scores{dnnl::matmul::desc{layouts.queries, layouts.keys, layouts.scores},
               score_attributes(shape), engine},
        softmax{{dnnl::prop_kind::forward_inference, layouts.scores, 2}, engine},
        values{dnnl::matmul::desc{layouts.scores, layouts.values, layouts.queries}, engine} {}
  dnnl::matmul::primitive_desc scores;
  dnnl::softmax_forward::primitive_desc softmax;
  dnnl::matmul::primitive_desc values;
};

Descriptions describe(const AttentionShape& shape, const dnnl::engine& engine) {
  try {
    return {shape, Layouts{shape}, engine};
  } catch (const dnnl::error& error) {
    if (error.status != dnnl_unimplemented)
      throw Error{std::string{"oneDNN attention: "} + error.message};
    throw Unsupported{"oneDNN has no " + std::string{to_string(shape.type)} +
                      " products or softmax for this CPU"};
  }
}

memory filled(const memory::desc& layout, const dnnl::engine& engine, const PeriodicBytes& from) {
  memory result{layout, engine};
  from.copy(0, {static_cast<std::byte*>(result.get_data_handle()), layout.get_size()});
  return result;
}

class OnednnAttention final : public Attention {
 public:
  explicit OnednnAttention(const AttentionSetup& setup)
      : shape_{setup.shape},
        layouts_{setup.shape},
        descriptions_{describe(setup.shape, engine_)},
        scores_{descriptions_.scores},
        softmax_{descriptions_.softmax},
        values_{descriptions_.values} {
    for (int set = 0; set < setup.sets; ++set) add_set(setup.operands);
  }

  void launch(int set, Stream) override {
    const auto& arguments = sets_[static_cast<std::size_t>(set)];
    scores_.execute(stream_, arguments.scores);
    stream_.wait();
    if (shape_.causal) hide(arguments.scores.at(DNNL_ARG_DST).get_data_handle());
    softmax_.execute(stream_, arguments.softmax);
    values_.execute(stream_, arguments.values);
    stream_.wait();
  }

  [[nodiscard]] std::vector<std::byte> result() const override {
    std::vector<std::byte> host(layouts_.queries.get_size());
    std::memcpy(host.data(), sets_[0].values.at(DNNL_ARG_DST).get_data_handle(), host.size());
    return host;
  }

  [[nodiscard]] std::vector<std::byte> result_rows(
      std::span<const std::int64_t> rows) const override {
    const auto bytes = static_cast<std::size_t>(shape_.head_size * size_of(shape_.type));
    const auto* from =
        static_cast<const std::byte*>(sets_[0].values.at(DNNL_ARG_DST).get_data_handle());
    std::vector<std::byte> host(rows.size() * bytes);
    for (std::size_t i = 0; i < rows.size(); ++i)
      std::memcpy(host.data() + i * bytes, from + static_cast<std::size_t>(rows[i]) * bytes, bytes);
    return host;
  }

  [[nodiscard]] std::span<std::byte> written(int set) override {
    const auto& result = sets_[static_cast<std::size_t>(set)].values.at(DNNL_ARG_DST);
    return {static_cast<std::byte*>(result.get_data_handle()), result.get_desc().get_size()};
  }

  [[nodiscard]] LibraryInfo library() const override {
    auto library = onednn_library();
    library.algorithm = "unfused scores: " + std::string{descriptions_.scores.impl_info_str()} +
                        " values: " + descriptions_.values.impl_info_str() +
                        " threads=" + std::to_string(omp_get_max_threads());
    return library;
  }

 private:
  struct Set {
    Arguments scores, softmax, values;
  };

  void hide(void* scores) const {
    with_float_type(shape_.type, [&](auto zero) {
      hide_later_keys(shape_, static_cast<decltype(zero)*>(scores));
    });
  }
  void add_set(const AttentionOperands& operands) {
    const memory scores{layouts_.scores, engine_};
    Set set;
    set.scores = {{DNNL_ARG_SRC, filled(layouts_.queries, engine_, operands.queries)},
                  {DNNL_ARG_WEIGHTS, filled(layouts_.keys, engine_, operands.keys)},
                  {DNNL_ARG_DST, scores}};
    set.softmax = {{DNNL_ARG_SRC, scores}, {DNNL_ARG_DST, scores}};
    set.values = {{DNNL_ARG_SRC, scores},
                  {DNNL_ARG_WEIGHTS, filled(layouts_.values, engine_, operands.values)},
                  {DNNL_ARG_DST, memory{layouts_.queries, engine_}}};
    sets_.push_back(std::move(set));
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  AttentionShape shape_;
  Layouts layouts_;
  Descriptions descriptions_;
  dnnl::matmul scores_;
  dnnl::softmax_forward softmax_;
  dnnl::matmul values_;
  std::vector<Set> sets_;
};

}  // namespace

void check_attention_onednn(const AttentionShape& shape) {
  (void)describe(shape, dnnl::engine{dnnl::engine::kind::cpu, 0});
}

std::unique_ptr<Attention> make_attention_onednn(const AttentionSetup& setup) {
  return std::make_unique<OnednnAttention>(setup);
}

}  // namespace moecal::kernels
