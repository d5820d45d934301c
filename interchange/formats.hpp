// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "interchange/importer.hpp"

/// One function for each format, defined in the file that reads it; interchange/README.md says what
/// is read of each. Which of them is asked first about a file: formats() in importer.cpp.
namespace moecal::interchange {

/// nccom-test of AWS Neuron: tables.
[[nodiscard]] Format nccom_test_format();
/// nccl-tests: JSON (-J).
[[nodiscard]] Format nccl_tests_json_format();
/// nccl-tests and rccl-tests: standard output, of any launcher.
[[nodiscard]] Format nccl_tests_format();
/// The OSU micro-benchmarks: latency tests.
[[nodiscard]] Format osu_format();
/// hccl_test of Ascend: tables.
[[nodiscard]] Format hccl_test_format();
/// ml-engineering's all_reduce_bench.py: tables.
[[nodiscard]] Format torch_all_reduce_format();
/// megatron-allreduce.py: tables.
[[nodiscard]] Format megatron_all_reduce_format();
/// AICB: logs, as CSV.
[[nodiscard]] Format aicb_format();
/// Galvatron: hardware profiles (sp_time_*.json).
[[nodiscard]] Format galvatron_format();
/// aiconfigurator: NCCL, GEMM, MoE and exchange tables, as CSV.
[[nodiscard]] Format aiconfigurator_format();
/// The CUTLASS profiler: CSV of its GEMMs.
[[nodiscard]] Format cutlass_format();
/// DeepGEMM's tests: what they print.
[[nodiscard]] Format deepgemm_format();
/// Scripts that time square products in torch: their logs.
[[nodiscard]] Format torch_gemm_format();
/// FlashInfer's benchmark: GEMM rows, printed with -vv.
[[nodiscard]] Format flashinfer_format();
/// NVBench programs: JSON (--json, --jsonbin).
[[nodiscard]] Format nvbench_format();
/// NVBench programs: CSV (--csv).
[[nodiscard]] Format nvbench_csv_format();
/// nvbandwidth: text and JSON.
[[nodiscard]] Format nvbandwidth_format();
/// Google Benchmark programs: JSON (--benchmark_out).
[[nodiscard]] Format google_benchmark_format();
/// The tables of highest matmul rates (Markdown), one accelerator a row.
[[nodiscard]] Format mamf_format();
/// Azure's AI benchmarking guide: result pages (Markdown).
[[nodiscard]] Format azure_guide_format();
/// DeepEP's tests: what they print.
[[nodiscard]] Format deepep_format();
/// DeepEP's documentation: its tables (Markdown).
[[nodiscard]] Format deepep_tables_format();
/// ep_bench of NCCL's extensions: what it prints.
[[nodiscard]] Format nccl_ep_format();
/// NCCL's nccl_m2n: JSON of metrics, of which none is imported.
[[nodiscard]] Format nccl_m2n_format();
/// Tables of all_reduce with and without NVLS (Markdown).
[[nodiscard]] Format nvls_table_format();

}  // namespace moecal::interchange
