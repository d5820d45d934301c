// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <string>

#include "tests/temporary_folder.hpp"

/// Small tables of invented machines in the formats of the public ones: what the tests of the
/// evaluation read.
namespace moecal::evaluation::test {

/// Times of a machine with a latency that grows with the ranks and one bandwidth, and a ripple.
inline double collective_ms(double speed, int ranks, double bytes) {
  const double ripple = 1 + 0.03 * std::sin(3 * std::log2(bytes) + ranks);
  return ripple * (5e-3 + 1e-3 * (ranks - 1) + bytes / (speed * 1e6));
}

inline std::string nccl_table(const std::string& device, double speed) {
  std::string text =
      "invented\nframework,version,device,op_name,kernel_source,nccl_dtype,num_gpus,"
      "message_size,latency\n";
  for (const char* operation : {"all_reduce", "alltoall"})
    for (const char* dtype : {"half", "int8"})
      for (const int ranks : {2, 4, 8})
        for (int i = 0; i < 9; ++i) {
          const long long bytes = 512LL << (2 * i);
          text += "TRTLLM,2.29.2," + device + "," + operation + ",NCCL," + dtype + "," +
                  std::to_string(ranks) + "," + std::to_string(*dtype == 'h' ? bytes / 2 : bytes) +
                  "," + std::to_string(collective_ms(speed, ranks, static_cast<double>(bytes))) +
                  "\n";
        }
  return text + "TRTLLM,2.29.2," + device + ",all_reduce,NCCL,float,2,256,0.01\n";
}

/// All tables the collective tasks name.
inline void write_nccl_tables(const TemporaryFolder& folder) {
  folder.write("nccl/b200_sxm_2.29.2.csv", nccl_table("NVIDIA B200", 600));
  folder.write("nccl/h200_sxm_2.29.2.csv", nccl_table("NVIDIA H200", 350));
  folder.write("nccl/h100_sxm_2.29.2.csv", nccl_table("NVIDIA H100 80GB HBM3", 340));
  folder.write("nccl/a100_sxm_2.27.3.csv", nccl_table("NVIDIA A100-SXM4-80GB", 200));
}

/// A row of a table of MoE layers: times that follow rows and weights, whatever the routing.
inline std::string moe_row(const std::string& device, const std::string& model, int tokens,
                           int parallel, const std::string& rest) {
  const double ripple = 1 + 0.05 * std::sin(tokens + 3 * parallel);
  const double ms = ripple * (0.02 + 0.2 / parallel + 1e-3 * tokens);
  return "TRTLLM,1," + device + ",moe,k," + rest.substr(0, rest.find('|')) + "," +
         std::to_string(tokens) + "," + model + ",1," + std::to_string(parallel) + "," +
         rest.substr(rest.find('|') + 1) + "," + std::to_string(ms) + "\n";
}

inline std::string moe_table(const std::string& device) {
  std::string text =
      "invented\nframework,version,device,op_name,kernel_source,moe_dtype,num_tokens,hidden_size,"
      "inter_size,topk,num_experts,moe_tp_size,moe_ep_size,distribution,latency\n";
  for (const char* model : {"1024,512,2,16", "2048,512,4,32", "1024,1024,2,8"})
    for (const int parallel : {1, 2, 4, 8})
      for (int tokens = 1; tokens <= 4096; tokens *= 4)
        for (const char* routing : {"balanced", "power_law_1.2"})
          text += moe_row(device, model, tokens, parallel, "bfloat16|" + std::string{routing});
  return text + moe_row(device, "1024,512,2,16", 8, 1, "nvfp4|balanced");
}

/// All tables the MoE tasks name.
inline void write_moe_tables(const TemporaryFolder& folder) {
  folder.write("moe/b200_sxm.csv.gz", moe_table("NVIDIA B200"));
  folder.write("moe/h200_sxm.csv.gz", moe_table("NVIDIA H200"));
  folder.write("moe/a100_sxm.csv.gz", moe_table("NVIDIA A100-SXM4-80GB"));
}

}  // namespace moecal::evaluation::test
