"""What Theano calls its rewrites, beside what there is here.

Programs leave rewrites out, or ask for them, by these names: `mode.excluding("fusion")`.
"""

from __future__ import annotations

# Theano's name -> the passes, groups of rules, and rules that do the same here.
COUNTERPARTS: dict[str, tuple[str, ...]] = {
    name: tuple(ours.split())
    for names, ours in (
        (
            "canonicalize_db",
            "canonicalize",
        ),
        (
            (
                "BlasOpt gemm_optimizer local_dot_to_dot22 "
                "local_dot22_to_dot22scalar local_gemm_to_gemv local_gemm_to_ger "
                "c_blas blas_opt_inplace"
            ),
            "blas",
        ),
        (
            (
                "elemwise_fusion local_elemwise_fusion local_elemwise_fusion_op "
                "composite_elemwise_fusion local_add_mul_fusion"
            ),
            "fusion",
        ),
        (
            (
                "inplace inplace_opt inplace_elemwise inplace_elemwise_opt "
                "inplace_elemwise_optimizer"
            ),
            "reuse",
        ),
        (
            (
                "scan scan_eqopt1 scan_eqopt2 scanOp_merge scanOp_merge_inouts "
                "scan_merge_inouts scanOp_save_mem scan_save_mem "
                "scanOp_pushout_nonseqs_ops scanOp_pushout_seqs_ops "
                "scanOp_pushout_output scan_pushout scan_pushout_dot1 "
                "scanOp_make_inplace scan_make_inplace "
                "scanOp_remove_constants_and_unused_inputs0 "
                "scanOp_remove_constants_and_unused_inputs1 "
                "scanop_remove_constants_and_unused_inputs2 "
                "scanOp_remove_constants_and_unused_inputs3"
            ),
            "scans",
        ),
        (
            "constant_folding constant_folding_for_scan2",
            "fold",
        ),
        (
            "local_add_canonizer",
            (
                "add_zero gather_terms gather_subtracted_terms "
                "gather_sum_and_difference gather_difference_and_sum"
            ),
        ),
        (
            "local_mul_canonizer mul_canonizer_groups",
            (
                "cancel_in_product cancel_in_quotient gather_factors "
                "gather_factor_and_divisor gather_divisor_and_factor "
                "gather_divisors gather_numerators"
            ),
        ),
        (
            "local_neg_neg",
            "negate_twice",
        ),
        (
            "local_neg_div_neg",
            "divide_negative divide_by_negative",
        ),
        (
            "local_mul_zero",
            "multiply_zero",
        ),
        (
            "local_mul_to_sqr",
            "product_with_itself",
        ),
        (
            ("local_pow_canonicalize local_pow_specialize local_pow_specialize_device"),
            "constant_power",
        ),
        (
            "local_cast_cast",
            "cast_of_cast",
        ),
        (
            "local_op_of_op",
            "reduction_of_reduction",
        ),
        (
            "local_sum_prod_mul_by_scalar",
            "sum_of_negative sum_of_scaled",
        ),
        (
            "local_useless_reduce local_reduce_broadcastable",
            "reduction_of_one_element reduction_without_axes_of_one",
        ),
        (
            "local_dimshuffle_lift",
            "dimshuffle_of_dimshuffle dimshuffle_of_negative",
        ),
        (
            "local_reshape_chain",
            "reshape_of_reshape",
        ),
        (
            "local_useless_reshape",
            "reshape_to_same_shape",
        ),
        (
            "local_useless_switch",
            "switch_known switch_of_equals switch_again switch_again_otherwise",
        ),
        (
            "local_useless_fill useless_local_fill",
            "fill_with_same_shape fill_like_source",
        ),
        (
            "local_fill_sink",
            "fill_among_operands",
        ),
        (
            "local_useless_elemwise_comparison",
            "eq_itself le_itself ge_itself less_than_itself greater_than_itself",
        ),
        (
            "local_useless_subtensor",
            "whole_part",
        ),
        (
            "local_subtensor_lift",
            "part_of_elementwise",
        ),
        (
            "local_subtensor_inc_subtensor",
            "part_just_written",
        ),
        (
            "local_subtensor_make_vector",
            "element_of_vector",
        ),
        (
            "local_abs_merge",
            "absolute_twice absolute_of_negative",
        ),
        (
            "local_one_minus_erf local_one_minus_erf2",
            "one_minus_erf",
        ),
        (
            "local_one_minus_erfc local_one_minus_erfc2 local_one_minus_erfc3",
            "one_minus_erfc",
        ),
        (
            "local_one_plus_erf",
            "one_plus_erf",
        ),
        (
            "local_lift_transpose_through_dot",
            "transposed_product",
        ),
    )
    for name in names.split()
}

# Those that nothing here is like: what they do is not needed, or is done in all modes.
WITHOUT_COUNTERPART = frozenset(
    (
        "AbstractConvCheck CheckStackTrace HintsOpt InplaceBlasOpt Print1 ShapeOpt "
        "UnShapeOpt add_canonizer_group add_destroy_handler "
        "add_no_output_from_inplace all_pushout_opt assert_no_cpu_op "
        "c_blas_destructive check_stack_trace_optimization cond_make_inplace "
        "conv_gemm conv_meta crossentropy_to_crossentropy_with_softmax ctc cuda cudnn "
        "fast_compile_gpu fast_run_stable gpu gpu_opt gpuarray gpuarray_opt "
        "ifelse_equilibriumOpt jit last local_0_dot_x local_1msigmoid "
        "local_IncSubtensor_serialize local_abs_lift "
        "local_abstract_batch_norm_inference local_abstract_batch_norm_train "
        "local_abstract_batch_norm_train_grad local_abstractconv3d2d "
        "local_abstractconv3d_alt local_abstractconv3d_gemm "
        "local_abstractconv3d_gemm_def local_abstractconv3d_gemm_gradweights_alt "
        "local_abstractconv3d_gradinputs_gemm "
        "local_abstractconv3d_gradinputs_gemm_alt "
        "local_abstractconv3d_gradweight_gemm local_abstractconv3d_gradweights_gemm "
        "local_abstractconv_check local_abstractconv_gemm local_abstractconv_gemm_alt "
        "local_abstractconv_gemm_def local_abstractconv_gemm_gradweights_alt "
        "local_abstractconv_gradinputs_gemm local_abstractconv_gradinputs_gemm_alt "
        "local_abstractconv_gradweight_gemm local_abstractconv_gradweights_gemm "
        "local_add_specialize local_addsd_ccode local_adv_sub1_adv_inc_sub1 "
        "local_advanced_indexing_crossentropy_onehot "
        "local_advanced_indexing_crossentropy_onehot_grad local_alloc_dimshuffle "
        "local_alloc_empty_to_zeros local_alloc_unary local_argmax_pushdown "
        "local_assert_no_cpu_op local_batch_norm_inference_inplace "
        "local_batch_norm_inplace_output local_batch_norm_inplace_running_mean "
        "local_batch_norm_inplace_running_var local_canonicalize_alloc "
        "local_conv2d_cpu local_conv2d_gradinputs_cpu local_conv2d_gradweight_cpu "
        "local_csm_grad_c local_csm_properties_csm local_ctc_no_grad "
        "local_cut_useless_reduce local_dense_from_sparse_sparse_from_dense "
        "local_det_chol local_dimshuffle_alloc local_dimshuffle_subtensor "
        "local_div_switch_sink local_div_to_inv local_dot22_to_ger_or_gemv "
        "local_elemwise_alloc local_elemwise_alloc_op local_elemwise_sub_zeros "
        "local_erf_minus_one local_erf_neg_minus_one local_erf_neg_minus_one2 "
        "local_exp_over_1_plus_exp local_expm1 local_fill_to_alloc local_flatten_lift "
        "local_func_inv local_grad_log_erfc_neg local_greedy_distributor "
        "local_hard_sigmoid local_incsubtensor_of_allocs local_incsubtensor_of_zeros "
        "local_incsubtensor_of_zeros_to_setsubtensor local_inplace_DiagonalSubtensor "
        "local_inplace_addsd_ccode local_inplace_gemm local_inplace_gemv "
        "local_inplace_ger local_inplace_incsubtensor1 local_inplace_remove0 "
        "local_inplace_setsubtensor local_inplace_sparse_block_gemv "
        "local_inplace_sparse_block_outer local_inplace_sparseblockgemv "
        "local_inplace_sparseblockouter local_intdiv_by_one local_inv_1_plus_exp "
        "local_inv_canon local_join_1 local_join_empty local_join_make_vector "
        "local_log1p local_log_add local_log_erfc local_log_pow local_log_prod_sqr "
        "local_log_softmax local_log_sum_exp local_logsoftmax local_logsoftmax_grad "
        "local_max_and_argmax local_max_to_min local_merge_alloc "
        "local_merge_blocksparse_alpha local_merge_blocksparse_output "
        "local_merge_switch_same_cond local_mul_s_d local_mul_s_v "
        "local_mul_specialize local_mul_switch_sink local_neg_to_mul "
        "local_one_add_neg_erfc local_one_plus_neg_erf local_opt_alloc "
        "local_print_as_we_go_along local_rebroadcast_lift local_reduce_join "
        "local_remove_all_assert local_remove_switch_const_cond "
        "local_remove_useless_assert local_reshape_dimshuffle local_reshape_lift "
        "local_reshape_to_dimshuffle local_sampling_dot_csr "
        "local_scalar_tensor_scalar local_set_to_inc_subtensor "
        "local_setsubtensor_of_allocs local_setsubtensor_of_constants "
        "local_shape_to_shape_i local_sigm_times_exp "
        "local_softmax_grad_to_crossentropy_with_softmax_grad local_softmax_with_bias "
        "local_structured_add_s_v local_structured_dot local_subtensor_merge "
        "local_subtensor_of_alloc local_subtensor_of_dot "
        "local_subtensor_remove_broadcastable_index local_sum_prod_all_to_none "
        "local_sum_prod_div_dimshuffle local_sumsqr2dot local_tensor_scalar_tensor "
        "local_track_shape_i local_ultra_fast_sigmoid "
        "local_upcast_elemwise_constant_inputs local_useless local_useless_alloc "
        "local_useless_composite "
        "local_useless_crossentropy_softmax_1hot_with_bias_dx_alloc "
        "local_useless_dimshuffle_in_reshape local_useless_elemwise "
        "local_useless_inc_subtensor local_useless_inc_subtensor_alloc "
        "local_useless_rebroadcast local_useless_slice local_useless_split "
        "local_useless_tile local_useless_topk local_usmm_csc_dense_inplace "
        "local_usmm_csx local_view_op local_zero_div low_memory "
        "make_scipy_blas_destructive merge1 merge2 merge3 minimum_compile more_mem "
        "no_cpu_opt o1 o2 o3 o4 pre_local_IncSubtensor_serialize raise "
        "random_make_inplace random_make_inplace_mrg remove_tensor_copy scipy_blas "
        "specialize_device typed_list_inplace_opt uncanonicalize "
        "uncanonicalize_device unsafe use_c_blas useless warn"
    ).split()
)


def is_of_graphics_card(tag: str) -> bool:
    """Whether a name is that of rewrites for a GPU, of which there is none."""
    words = ("gpu", "Gpu", "dnn", "magma", "cusolver")
    return any(word in tag for word in words)
